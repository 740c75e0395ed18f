/**
 * Undo, history and restore of files with the built command, the real OpenClaw and a fake model, and
 * what OpenClaw's database says about turns.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB). With CI=true its absence is an error.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { type FakeModel, startFakeModel } from "../../../testkit/openclaw/fake-model.ts";
import {
	findOrInstallOpenClaw,
	OPENCLAW_ENV,
	removePartialInstall,
} from "../../../testkit/openclaw/openclaw.ts";
import { PlatformMachine } from "../../../testkit/platform/platform.ts";

const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
if (openclaw.kind === "missing") {
	if (process.env.CI === "true") throw new Error(`this cannot be tried here: ${openclaw.reason}`);
	console.warn(`skipped: this cannot be tried here: ${openclaw.reason}`);
}

describe.skipIf(openclaw.kind === "missing")("with the real OpenClaw", () => {
	const place = new Place();
	let model: FakeModel;
	let machine: PlatformMachine;
	const file = (name: string) => place.path("a", `workspace/${name}`);
	/** How the daemon sees the last turn, in the chat's history. */
	const history = async () => await machine.ask("/history");

	beforeAll(async () => {
		if (openclaw.kind === "missing") return;
		model = await startFakeModel();
		const variables = {
			...OPENCLAW_ENV,
			OPENCLAW_STATE_DIR: place.path("a"),
			OPENCLAW_MODEL_BASE_URL: model.url,
			OPENCLAW_MODEL_ID: model.id,
		};
		const args = [
			...["--profile", "openclaw", "--agent-env", "NODE_COMPILE_CACHE"],
			...["--quiet-period", "1s"],
		];
		machine = await PlatformMachine.boot(place, "a", args, {
			env: variables,
			agent: (port) => [
				...[process.execPath, openclaw.bin, "gateway", "run", "--bind", "loopback"],
				...["--port", String(port)],
			],
		});
		expect(await machine.ask("hello")).toMatch(/^reply-1-word-0 /);
	});
	afterAll(async () => {
		await machine?.end();
		await model?.close();
		place[Symbol.dispose]();
		removePartialInstall();
	});

	test("takes back the files of the last turn, and OpenClaw goes on", async () => {
		await machine.ask("write a note [[write:kept.md:2000]]");
		// Otherwise both turns may be in one commit, which is then taken back from neither.
		await expect.poll(history, { timeout: 20_000 }).toContain("answered: 'write a note");
		await machine.ask("and another one [[write:notes/taken.md:2000]]");
		expect(existsSync(file("notes/taken.md"))).toBe(true);
		const undone = await machine.ask("/undo");
		expect(undone).toContain("`and another one [[write:notes/taken.md:2000]]`");
		expect(undone).toContain("`workspace/notes/taken.md` is gone");
		expect(undone).not.toContain("kept.md");
		expect(existsSync(file("notes/taken.md"))).toBe(false);
		expect(existsSync(file("kept.md"))).toBe(true);
		expect(await machine.ask("/undo")).toMatch(/^Nothing to take back/);
		expect(await machine.ask("are you there?")).toMatch(/^reply-/);
	});

	test("changes back the last file that makes a workspace somebody's, and OpenClaw goes on", async () => {
		// Without it, only customised files tell OpenClaw that the workspace is not lost.
		rmSync(file("BOOTSTRAP.md"));
		expect(await machine.ask("are you there?")).toMatch(/^reply-/);
		const soul = readFileSync(file("SOUL.md"), "utf8");
		await machine.ask("who are you? [[write:SOUL.md:500]]");
		expect(readFileSync(file("SOUL.md"), "utf8")).not.toBe(soul);
		expect(await machine.ask("/undo")).toContain("`workspace/SOUL.md` is as before");
		expect(readFileSync(file("SOUL.md"), "utf8")).toBe(soul);
		expect(await machine.ask("are you there?")).toMatch(/^reply-/);
	});

	test("labels changes with their turns, and brings a version back", async () => {
		await machine.ask(`my key is AKIA${"QWERTYUIOPASDFGH"} [[write:labelled.md:1500]]`);
		await machine.ask(`${"a long message ".repeat(200)} [[write:labelled.md:3000]]`);
		await expect.poll(history, { timeout: 20_000 }).toContain("answered: 'a long message");
		const rows = await history();
		// OpenClaw redacts its transcript as well.
		expect(rows).toMatch(/answered: 'my key is (?:\*\*\*|AKIAQW…DFGH) /);
		const versions = await machine.ask("/history labelled.md");
		const [, first] = /`(\d+)` [^\n]*created/.exec(versions) ?? [];
		expect(await machine.ask(`/restore labelled.md ${first}`)).toContain("again");
		expect(readFileSync(file("labelled.md")).length).toBeLessThan(2_000);
		const { stdout } = await place.cli("a", ["history", "--limit", "3"]);
		expect(stdout).toContain("undo or restore");
		expect(await machine.ask("are you there?")).toMatch(/^reply-/);
	});
});
