/**
 * Incidents in which files came back as something else, or not at all. Numbers:
 * docs/reliability.md.
 */
import { execFileSync } from "node:child_process";
import {
	chmodSync,
	linkSync,
	lstatSync,
	mkdirSync,
	readFileSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cli, ordinaryUser, Place } from "../../../testkit/cli.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { commit, put } from "./files.ts";

// @id incident-25-owner
it("25: restored files belong to the user who restores, and are writable for them", async () => {
	using place = new Place();
	mkdirSync(place.path("a", "dir"), { recursive: true });
	writeFileSync(place.path("a", "dir/SOUL.md"), "soul\n");
	expect((await place.cli("a", ["flush"])).status).toBe(0);
	// One user's log, and another user's machine.
	execFileSync("chmod", ["-R", "a+rwX", place.dir]);
	mkdirSync(join(place.dir, "b"));
	chmodSync(join(place.dir, "b"), 0o777);
	const workspace = join(place.dir, "b/ws");
	const user = ordinaryUser();
	const agent = ["sh", "-c", 'echo more >> "$0" && touch "$0.new"', join(workspace, "dir/SOUL.md")];
	const { status, stderr } = await cli([...place.args("b"), "run", "--", ...agent], {
		cwd: place.dir,
		...user,
	});
	expect({ status, stderr }).toMatchObject({ status: 0 });
	const uid = user.uid ?? process.getuid?.();
	for (const name of ["", "dir", "dir/SOUL.md"])
		expect(lstatSync(join(workspace, name)).uid).toBe(uid);
	expect(readFileSync(join(workspace, "dir/SOUL.md"), "utf8")).toBe("soul\nmore\n");
});

// @id incident-31-special-files
it("31: hard links and links to any target are restored; a FIFO is reported and stops nothing", async () => {
	await using bench = await workbench();
	put(bench, "a", { original: "one content, two names", "dir/file": "x" });
	const root = bench.workspace("a");
	linkSync(join(root, "original"), join(root, "second-name"));
	symlinkSync("/etc/hostname", join(root, "absolute"));
	symlinkSync("../../outside", join(root, "dir/upwards"));
	symlinkSync("no-such-file", join(root, "dangling"));
	execFileSync("mkfifo", [join(root, "pipe")]);
	await commit(await bench.open("a"));
	expect(bench.logger.events).toContainEqual(
		expect.objectContaining({ event: "flush.not-a-file", fields: { path: "pipe" } }),
	);
	await bench.open("b");
	expect(readDisk(bench.workspace("b"))).toEqual(readDisk(root, (path) => path === "pipe"));
});

// @id incident-32-metadata
it("32: links stay links, programs stay executable, and files keep their times", async () => {
	await using bench = await workbench();
	put(bench, "a", { "bin/tool": "#!/bin/sh\necho works\n", "real/inside": "x", private: "x" });
	const root = bench.workspace("a");
	chmodSync(join(root, "bin/tool"), 0o755);
	chmodSync(join(root, "private"), 0o600);
	symlinkSync("real", join(root, "linked"));
	mkdirSync(join(root, "empty"));
	for (const path of ["bin/tool", "real", "."])
		utimesSync(join(root, path), 1_000_000_000, 1_234_567_890.123);
	await commit(await bench.open("a"));
	await bench.open("b");
	expect(readDisk(bench.workspace("b"))).toEqual(readDisk(root));
	expect(execFileSync(join(bench.workspace("b"), "bin/tool"), { encoding: "utf8" })).toBe(
		"works\n",
	);
	expect(lstatSync(join(bench.workspace("b"), "linked")).isSymbolicLink()).toBe(true);
});
