import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { loadFileTimes } from "./file-times.ts";
import { Materializer } from "./materialize.ts";
import { statOf } from "./stat.ts";

const times = await loadFileTimes();
const MTIME_NS = 1_700_000_000_123_456_789n;
const none = () => expect.fail("nothing was in the way");

function materializer(): { readonly root: string; readonly writer: Materializer } {
	const root = join(testDirectory(), "workspace");
	return { root, writer: Materializer.open(root, times) };
}

test("a new directory becomes visible completely or not at all; an existing one is written file by file", () => {
	const { root, writer } = materializer();
	mkdirSync(join(root, "old"));
	for (const path of ["old", "new", "new/deep"]) writer.makeDirectory(path);
	expect(["old/a", "new/a", "new/deep/a", "a"].map((path) => writer.isHidden(path))).toEqual([
		false,
		true,
		true,
		false,
	]);
	for (const path of ["old/a", "new/a", "new/deep/a"])
		writer.placeFile(path, Buffer.from(path), 0o640, MTIME_NS);
	writer.placeLink("new/link", "a", MTIME_NS);
	expect(readdirSync(root).sort()).toEqual([".openclaw-sidecar", "old"]);
	expect(readFileSync(join(root, "old/a"), "utf8")).toBe("old/a");

	writer.reveal(none);
	expect(writer.isHidden("new/a")).toBe(false);
	writer.placeFile("new/late", Buffer.from("late"), 0o600, MTIME_NS);
	writer.close();
	expect(readdirSync(root).sort()).toEqual(["new", "old"]);
	expect(readdirSync(join(root, "new")).sort()).toEqual(["a", "deep", "late", "link"]);
	expect(readFileSync(join(root, "new/deep/a"), "utf8")).toBe("new/deep/a");
	expect(statOf(join(root, "new/link"))).toMatchObject({ type: "link", mtimeNs: MTIME_NS });
});

test("each write returns the stat that a rescan will see", () => {
	const { root, writer } = materializer();
	mkdirSync(join(root, "old"));
	for (const path of ["old", "new"]) writer.makeDirectory(path);
	// The umask removes bits of the second mode.
	const modes = [0o600, 0o777, 0o1444, 0];
	const stats = new Map(
		["old", "new"].flatMap((directory) =>
			modes.map((mode) => {
				const path = `${directory}/${mode.toString(8)}`;
				return [path, writer.placeFile(path, Buffer.from("text"), mode, MTIME_NS)] as const;
			}),
		),
	);
	const staged = writer.stageFile("new/parts", 8);
	staged.writeAt(4, Buffer.from("tail"));
	stats.set("new/parts", staged.finish(0o640, MTIME_NS));
	stats.set("new/link", writer.placeLink("new/link", "parts", MTIME_NS));
	writer.reveal(none);
	writer.close();
	for (const [path, stat] of stats) {
		expect(stat, path).toEqual(statOf(join(root, path)));
		expect(stat?.mtimeNs, path).toBe(MTIME_NS);
	}
	for (const mode of modes)
		expect(statSync(join(root, "new", mode.toString(8))).mode & 0o7777).toBe(mode);
	expect(readFileSync(join(root, "new/parts"))).toEqual(Buffer.from("\0\0\0\0tail"));
});

test("reveal does not overwrite an entry that appeared at a new directory's place: the caller moves it away", () => {
	const { root, writer } = materializer();
	for (const path of ["a", "b"]) {
		writer.makeDirectory(path);
		writer.placeFile(`${path}/of-the-log`, Buffer.from("log"), 0o600, MTIME_NS);
	}
	mkdirSync(join(root, "a"));
	writeFileSync(join(root, "a/local"), "local");
	writeFileSync(join(root, "b"), "local");
	const moved: string[] = [];
	const trash = testDirectory();
	writer.reveal((path) => {
		moved.push(path);
		writer.moveAside(path, trash, writer.asideName(path, trash));
	});
	expect(moved).toEqual(["a", "b"]);
	expect([
		readFileSync(join(trash, "a/local"), "utf8"),
		readFileSync(join(trash, "b"), "utf8"),
	]).toEqual(["local", "local"]);
	expect([readdirSync(join(root, "a")), readdirSync(join(root, "b"))]).toEqual([
		["of-the-log"],
		["of-the-log"],
	]);
});

test("writes a path that fits only its own place directly there", () => {
	const { root, writer } = materializer();
	// 250-byte names, and a last one that fills PATH_MAX: below the staging directory it would be too
	// long.
	const names = ["t"];
	while (`${root}/${names.join("/")}`.length + 252 < 4095 - 1) names.push("n".repeat(250));
	const directories = names.map((_, index) => names.slice(0, index + 1).join("/"));
	for (const path of directories) writer.makeDirectory(path);
	const last = directories.at(-1) as string;
	const path = `${last}/${"f".repeat(4095 - `${root}/${last}/`.length)}`;
	writer.placeFile("t/before", Buffer.from("before"), 0o600, MTIME_NS);
	writer.placeFile(path, Buffer.from("long"), 0o600, MTIME_NS);
	expect(writer.isHidden(path)).toBe(false);
	writer.reveal(none);
	writer.close();
	expect(readFileSync(join(root, path), "utf8")).toBe("long");
	expect(readFileSync(join(root, "t/before"), "utf8")).toBe("before");
});

// @id staging-cleaned
test("the next writer removes what a killed one left in staging", () => {
	const { root, writer } = materializer();
	writer.makeDirectory("new");
	writer.placeFile("new/a", Buffer.from("a"), 0o600, MTIME_NS);
	const next = Materializer.open(root, times);
	next.makeDirectory("new");
	next.placeFile("new/b", Buffer.from("b"), 0o600, MTIME_NS);
	next.reveal(none);
	next.close();
	expect(readdirSync(join(root, "new"))).toEqual(["b"]);
	expect(existsSync(join(root, ".openclaw-sidecar"))).toBe(false);
});
