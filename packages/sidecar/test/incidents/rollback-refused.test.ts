/**
 * Incidents after which an agent refused to work because of a rollback. Numbers:
 * docs/reliability.md.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { flush, restore, rollback, run, verify } from "../../src/index.ts";
import { namespaced } from "../../src/store/namespaced.ts";

/**
 * Like OpenClaw since 2026.7: it records what its workspace contains, and refuses every turn if
 * that is missing.
 */
const AGENT = `
cd "$STATE" || exit 8
if [ -e state/attested ] && ! grep -qxF "$(cat state/attested)" "$WORK/SOUL.md" 2>/dev/null; then echo WorkspaceVanishedError >&2; exit 9; fi
cat "$WORK/SOUL.md" > state/attested
`;
const REFUSES = 9;

function place(isElsewhere: boolean) {
	const dir = mkdtempSync(join(tmpdir(), "refused-"));
	onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
	const store = new AgingStore();
	const options = (machine: string) => {
		const at = join(dir, machine);
		mkdirSync(join(at, "ws"), { recursive: true });
		return {
			workspace: join(at, "ws"),
			stateDir: join(at, "sidecar"),
			store,
			profile: "plain",
			handoverWaitMs: 0,
			...(isElsewhere && { roots: { work: join(at, "work") } }),
		} as const;
	};
	const work = (machine: string) => join(dir, machine, isElsewhere ? "work" : "ws/workspace");
	const write = (file: string, text: string) => {
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, text);
	};
	const soul = (machine: string) => join(work(machine), "SOUL.md");
	const attested = (machine: string) => join(options(machine).workspace, "state/attested");
	const turn = async (machine: string) => {
		const env = { PATH: process.env.PATH, STATE: options(machine).workspace, WORK: work(machine) };
		const ended = await run({ ...options(machine), command: ["sh", "-c", AGENT], env });
		return ended.exitStatus;
	};
	const newest = async () => (await readLog(namespaced(store, "default"))).head.seq;
	return { store, options, write, soul, attested, turn, newest };
}

for (const [where, isElsewhere] of [
	["in the workspace", false],
	["in a root elsewhere", true],
] as const) {
	// @id anolisa-2812-note
	it(`ANOLISA #2812: the agent's record is rolled back with the workspace that it describes: ${where}`, async () => {
		const at = place(isElsewhere);
		at.write(at.soul("a"), "first\n");
		at.write(at.attested("a"), "first\n");
		await flush(at.options("a"));
		const first = await at.newest();
		at.write(at.soul("a"), "second\n");
		at.write(at.attested("a"), "second\n");
		await flush(at.options("a"));
		expect(await rollback({ ...at.options("a"), to: first })).toMatchObject({
			exitStatus: 0,
			differences: [],
		});
		expect([readFileSync(at.soul("a"), "utf8"), readFileSync(at.attested("a"), "utf8")]).toEqual([
			"first\n",
			"first\n",
		]);
		expect(await at.turn("a")).toBe(0);
		// A new machine also gets both from the same moment.
		expect(await at.turn("b")).toBe(0);
	});

	// @id anolisa-2812-undone
	it(`ANOLISA #2812: a rollback to a state that the agent refuses can be undone: ${where}`, async () => {
		const at = place(isElsewhere);
		at.write(at.attested("a"), "what was here before\n");
		at.write(at.soul("a"), "a template\n");
		await flush(at.options("a"));
		const refused = await at.newest();
		at.write(at.attested("a"), "years of it\n");
		at.write(at.soul("a"), "years of it\n");
		await flush(at.options("a"));
		at.write(join(at.options("a").workspace, "unsaved.md"), "not durable when the rollback begins");

		const { from } = await rollback({ ...at.options("a"), to: refused });
		expect(await at.turn("a")).toBe(REFUSES);
		expect(await at.turn("a")).toBe(REFUSES);
		// The refusal has no other effect: nothing is quarantined, and history is complete.
		expect(await verify({ store: at.store, deep: true })).toMatchObject({ damaged: [], gaps: [] });
		expect(await rollback({ ...at.options("a"), to: from })).toMatchObject({
			exitStatus: 0,
			differences: [],
		});
		expect(await at.turn("a")).toBe(0);
		expect(readFileSync(at.soul("a"), "utf8")).toBe("years of it\n");
		expect(readFileSync(join(at.options("a").workspace, "unsaved.md"), "utf8")).toBe(
			"not durable when the rollback begins",
		);
		await restore(at.options("b"));
		expect(readFileSync(at.soul("b"), "utf8")).toBe("years of it\n");
	});
}
