import type { Mutation } from "./table.ts";

const wonSlots = "src/commit/won-slots.test.ts";

export const STORE: readonly Mutation[] = [
	{
		rule: "doctor: one winner of many puts at once",
		file: "src/library/doctor/race-check.ts",
		find: "	if (won.length > 1) return refuse",
		replace: "	if (won.length > 99) return refuse",
		test: {
			file: "src/cli/doctor.test.ts",
			name: "a store that lets two of many puts at once win is a problem, and what was put disturbs nothing",
		},
	},
	{
		rule: "a fence is read back before the gate opens",
		file: "src/commit/log-writer.ts",
		find: "isReadBack: flags.fence === true || isLast }",
		replace: "isReadBack: isLast }",
		test: { file: wonSlots, name: "lets one of two writers keep a fence that a racy store gave to both, and the other fences after it" },
	},
	{
		rule: "a fence is read back again before the first commit",
		file: "src/commit/log-writer.ts",
		find: " || this.#isSecondLookDue();",
		replace: ";",
		test: {
			file: wonSlots,
			name: "finds at the first commit that a fence was overwritten after it was read back, and sets its bytes aside",
		},
	},
	{
		rule: "a drain looks at the slots that were won",
		file: "src/commit/log-writer.ts",
		find: "isFull || options.inHurry === true || flags.closed === true || this",
		replace: "isFull || this",
		test: { file: wonSlots, name: "finds in the drain that an earlier commit was overwritten, and commits its bytes again before it ends" },
	},
	{
		rule: "the last commit is read back before it counts as durable",
		file: "src/commit/log-writer.ts",
		find: "		const isLast = flags.closed === true || ",
		replace: "		const isLast = ",
		test: { file: wonSlots, name: "does not call a last commit durable that a rival's late write replaced" },
	},
	{
		rule: "a certain refusal is not undecided",
		file: "src/store/s3-failure.ts",
		find: '	if (refusalOf(failure) !== undefined) return "refused";\n	return failure.status === 501',
		replace: "	return failure.status === 501",
		test: {
			file: "src/store/s3-refusal.test.ts",
			name: "507 XMinioStorageFull is STORE_FULL after one request, with a remedy that fits",
		},
	},
	{
		rule: "a refusal without the store's own code is certain only where its status says so",
		file: "src/store/s3-refusal.ts",
		find: "(CERTAIN_WITH_CODE.has(status) && failure.hasCode)",
		replace: "CERTAIN_WITH_CODE.has(status)",
		test: { file: "src/store/s3-faults.test.ts", name: "400 with a page: unknown, and one request only" },
	},
];
