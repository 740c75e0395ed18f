import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { CLI_BUNDLE, jsonObject, Place } from "../../../testkit/cli.ts";
import { watchStatus } from "../library/status.ts";

const firstLine = (text: string) => text.split("\n")[0];

/** Options of the library for a machine of a place. */
const optionsOf = (place: Place) => ({
	workspace: place.path("a"),
	stateDir: `${place.dir}/a/state`,
	store: pathToFileURL(place.store).href,
	profile: "plain" as const,
});

describe("the first line of status is the answer", () => {
	test("OK, NOT SAFE and ATTENTION, in words, and as `verdict`", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "x");
		await place.cli("a", ["flush"]);
		const ok = await place.cli("a", ["status"]);
		expect(firstLine(ok.stdout)).toMatch(/^OK: everything is durable, last commit 2, .*(ago|now)$/);

		writeFileSync(place.path("a", "g"), "x");
		const bad = await place.cli("a", ["status"]);
		expect(bad.status).toBe(3);
		expect(firstLine(bad.stdout)).toMatch(
			/^NOT SAFE: 1 path is on this disk only, and no daemon runs, last commit 2, /,
		);
		expect(jsonObject((await place.cli("a", ["status", "--json"])).stdout)).toMatchObject({
			verdict: "not-safe",
			durable: false,
			error: { code: "NOT_DURABLE" },
		});

		await using daemon = await place.run("a", ["--quiet-period", "1m", "--max-delay", "1m"]);
		writeFileSync(place.path("a", "h"), "x");
		const soon = await place.cli("a", ["status"]);
		await daemon.stop();
		expect(firstLine(soon.stdout)).toMatch(
			/^ATTENTION: 2 paths are on this disk only, and the daemon commits soon, /,
		);
	});

	test("NOT SAFE names a directory that is not this log's", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "x");
		await place.cli("a", ["flush"]);
		writeFileSync(place.path("b", "other"), "x");
		const { status: exit, stdout, stderr } = await place.cli("b", ["status"]);
		expect(exit).toBe(3);
		expect(firstLine(stdout)).toMatch(/^NOT SAFE: this directory must not be committed: /);
		expect(stderr).toMatch(/^error \[NOT_DURABLE\] .*\nwhat to do: run `openclaw-sidecar restore`/);
	});
});

describe("status --watch", () => {
	test("reads again what changed and the last status when it is stopped, and nothing else", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "x");
		const options = optionsOf(place);
		const stop = new AbortController();
		const seen: string[] = [];
		let slept = 0;
		const sleep = async () => {
			slept++;
			// No daemon reports anything, so the disk is compared after 15 of these.
			if (seen.length === 1 && slept === 1) rmSync(place.path("a", "f"));
			if (seen.length === 2) stop.abort();
		};
		for await (const { notDurable } of watchStatus({ ...options, signal: stop.signal, sleep }))
			seen.push(notDurable.map(({ path }) => path).join());
		expect(seen).toEqual(["f", "", ""]);
		expect(slept).toBe(16);
	});

	test("prints a line per change without a terminal, and ends on a signal with the last status", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "x");
		await place.cli("a", ["flush"]);
		const child = spawn(process.execPath, [CLI_BUNDLE, ...place.args("a"), "status", "--watch"]);
		const lines: string[] = [];
		for await (const line of createInterface({ input: child.stdout })) {
			lines.push(line);
			if (lines.length === 1) child.kill("SIGTERM");
		}
		if (child.exitCode === null) await once(child, "exit");
		expect(child.exitCode).toBe(0);
		expect(lines).toEqual([
			expect.stringMatching(/^\d{4}-\S+Z OK: everything is durable, last commit 2, /),
			expect.stringMatching(/^\d{4}-\S+Z OK: /),
		]);
	});
});
