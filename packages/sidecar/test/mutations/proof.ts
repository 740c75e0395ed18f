/** Rules whose cause the incident tests and the simulator bring about. */
import type { Mutation } from "./table.ts";

const halfRestores = { file: "test/simulator/half-restores.test.ts", name: "restores that fail or are killed at any step lose no text" };

export const PROOF: readonly Mutation[] = [
	{
		rule: "names in a manifest are in order and unique",
		file: "src/log/manifest-decode.ts",
		find: "		if (length !== undefined && bytes.compare(own, 0, ownBytes, shared, length) >= 0)",
		replace: "		if (length !== undefined && bytes.compare(own, 0, ownBytes, shared, length) > 2)",
		test: {
			file: "test/incidents/damaged-log.test.ts",
			name: "restic #22180: restore, flush and run refuse the tree and touch nothing: a name twice",
		},
	},
	{
		rule: "restore --at gives a file with several names a file of its own",
		file: "src/restore/plan-disk.ts",
		find: "if (isRetimed && hasOtherNames(root, path))",
		replace: "if (isRetimed && path === undefined)",
		test: {
			file: "test/incidents/hard-links.test.ts",
			name: "restic #22085: names that are one file now and had different modes and times at that commit are two files again",
		},
	},
	{
		rule: "a superseded writer keeps displaced edits below its own directory",
		file: "src/capture/flush.ts",
		find: "isSuperseded ? id : undefined);",
		replace: "isSuperseded && id === '' ? id : undefined);",
		test: {
			file: "test/incidents/edit-meets-newer.test.ts",
			name: "W1: a machine that is superseded before its first commit keeps the edit below its own directory",
		},
	},
	{
		rule: "an edit that cannot be quarantined stays in the journal",
		file: "src/capture/quarantine.ts",
		find: "			if (tooLong !== undefined) {",
		replace: "			if (tooLong === '') {",
		test: {
			file: "test/incidents/edit-meets-newer.test.ts",
			name: "W1: an edit whose path is too long there is named and not durable, and the next start keeps it",
		},
	},
	{
		rule: "what a restore displaces is in the journal before it moves",
		file: "src/restore/restore-work.ts",
		find: "		this.#journal.add(entries);\n",
		replace: "",
		test: halfRestores,
	},
	{
		rule: "what has no room is named",
		file: "src/capture/flush.ts",
		find: "			capture.deferWithoutRoom();\n",
		replace: "",
		test: {
			file: "test/incidents/caps-lowered.test.ts",
			name: "fastagent #489: beyond MAX_CHUNKS the file is named each time, and everything else is committed",
		},
	},
	{
		rule: "storms notice a fence that is not read back",
		file: "src/commit/log-writer.ts",
		find: "isReadBack: flags.fence === true || isLast }",
		replace: "isReadBack: isLast && seq < 0 }",
		test: { file: "test/simulator/simulator.test.ts", name: "storms over a racy store open no gate on a fence that is replaced" },
	},
	{
		rule: "storms notice an inner volume whose absence is believed",
		file: "src/disk/check-mounts.ts",
		find: "		if (isThere || isBelow) continue;",
		replace: "		if (isThere || isBelow || mount === undefined) continue;",
		test: {
			file: "test/simulator/inner-volumes.test.ts",
			name: "volumes that come and go are never taken for deletions, and lose no text",
		},
	},
	{
		rule: "an end without a commit looks at the slots that were won",
		file: "src/capture/flush.ts",
		find: "options.closed === true ? await this.#writer.lookAtWon(options.signal) : undefined;",
		replace: "undefined as Awaited<ReturnType<LogWriter['lookAtWon']>>;",
		test: {
			file: "src/commit/won-slots.test.ts",
			name: "notices a replaced slot at the end of a superseded writer, and sets its bytes aside again",
		},
	},
	{
		rule: "won slots are looked at before a new head hides them",
		file: "src/commit/log-writer.ts",
		find: "		// The new head hides which slots were this writer's.\n		await this.#stillHolds(signal);\n",
		replace: "",
		test: {
			file: "src/commit/won-slots.test.ts",
			name: "notices a replaced slot when it loses another one, and sets its bytes aside again",
		},
	},
	{
		rule: "a pause counts from before the log was read",
		file: "src/commit/log-writer.ts",
		find: "		this.#lastContact = since;",
		replace: "		this.#lastContact = now(machine) ?? since;",
		test: {
			file: "src/commit/log-writer.test.ts",
			name: "loses a slot that others filled and retention swept meanwhile, although the store lets it be created",
		},
	},
];
