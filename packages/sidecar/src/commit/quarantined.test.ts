import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQuarantined, unrestorable, unrestorableAfter } from "../log/safe-path.ts";
import type { Delta, Entry, FileEntry, Path, Tree } from "../log/types.ts";
import {
	isInvented,
	quarantineDelta,
	quarantinedIn,
	reservedName,
	withoutQuarantined,
} from "./quarantined.ts";

const writer = "a".repeat(32);
const other = "b".repeat(32);
const directory: Entry = { type: "dir", mode: 0o750, mtimeNs: 7n };
const file = (size: number): FileEntry => ({
	type: "file",
	mode: 0o644,
	mtimeNs: 1n,
	size,
	chunkBits: 20,
	chunks: [],
});

function applied(tree: Tree, { changed, removed }: Delta): Map<Path, Entry> {
	const after = new Map(tree);
	for (const path of removed) after.delete(path);
	for (const [path, entry] of changed) after.set(path, entry);
	return after;
}

/** A disk's tree of a few names, so that files and directories often replace each other. */
const arbitraryDisk = fc
	.array(
		fc.tuple(
			fc.array(fc.constantFrom("a", "b", ".recovered"), { minLength: 1, maxLength: 3 }),
			fc.nat(9),
		),
		{ maxLength: 8 },
	)
	.map((files) => {
		const disk = new Map<Path, Entry>([["", directory]]);
		for (const [names, size] of files) {
			const path = names.join("/");
			const parents = names.slice(1).map((_, index) => names.slice(0, index + 1).join("/"));
			if (disk.has(path) || parents.some((parent) => disk.get(parent)?.type === "file")) continue;
			for (const parent of parents) disk.set(parent, directory);
			disk.set(path, file(size));
		}
		return disk;
	});

describe("what a superseded writer quarantines", () => {
	it("gets its top directory from the disk if the tree has none", () => {
		const changed = new Map<Path, Entry>([["f", file(1)]]);
		const { delta } = quarantineDelta(new Map(), writer, changed, (path) =>
			path === "" ? directory : undefined,
		);
		expect(delta.changed.get("")).toBe(directory);
	});

	it("is only below its own directory, always restorable, updated in place, with the last state of every file", () => {
		fc.assert(
			fc.property(arbitraryDisk, fc.array(arbitraryDisk, { maxLength: 5 }), (owned, disks) => {
				let tree = new Map(owned);
				let local = new Map(owned);
				for (const disk of disks) {
					const changed = new Map([...disk].filter(([path, entry]) => local.get(path) !== entry));
					const { delta, taken } = quarantineDelta(tree, writer, changed, (path) => disk.get(path));
					expect(unrestorableAfter(tree, delta)).toBeUndefined();
					for (const path of [...delta.changed.keys(), ...delta.removed])
						expect(path === "" || isQuarantined(path, writer)).toBe(true);
					tree = applied(tree, delta);
					local = disk;
					for (const path of taken)
						expect(tree.get(`.recovered/${writer}/${path}`)).toBe(disk.get(path));
					expect(taken).toHaveLength(
						[...changed.values()].filter(({ type }) => type !== "dir").length,
					);
				}
				expect(unrestorable(tree)).toBeUndefined();
				expect(withoutQuarantined(tree)).toEqual(withoutQuarantined(owned));
			}),
		);
	});

	it("is counted by writer, without directories", () => {
		const tree = new Map<Path, Entry>([
			["", directory],
			[".recovered", directory],
			[`.recovered/${writer}`, directory],
			[`.recovered/${writer}/d`, directory],
			[`.recovered/${writer}/d/f`, file(5)],
			[`.recovered/${writer}/l`, { type: "link", mtimeNs: 0n, target: "t" }],
			[`.recovered/${other}`, directory],
			[`.recovered/${other}/f`, file(1)],
			[".recovered/notes", file(100)],
		]);
		expect(quarantinedIn(tree)).toEqual([
			{ writer, files: 2, bytes: 5 },
			{ writer: other, files: 1, bytes: 1 },
		]);
		expect([...withoutQuarantined(tree).keys()]).toEqual(["", ".recovered", ".recovered/notes"]);
	});

	// @id quarantine-without-room
	it("names paths for which the tree has no room, and takes the rest", () => {
		const changed = new Map([
			["in/a", file(1)],
			["b", file(1)],
		]);
		const { delta, taken, withoutRoom } = quarantineDelta(
			new Map([["", directory]]),
			writer,
			changed,
			() => undefined,
			(missing) => missing.length < 4,
		);
		expect({ taken, withoutRoom }).toEqual({ taken: ["b"], withoutRoom: ["in/a"] });
		expect([...delta.changed.keys()].sort()).toEqual([
			".recovered",
			`.recovered/${writer}`,
			`.recovered/${writer}/b`,
		]);
	});

	it("names paths that are too long to be stored there, and takes the rest", () => {
		const long = Array.from({ length: 20 }, () => "n".repeat(203)).join("/");
		const { delta, taken, tooLong } = quarantineDelta(
			new Map([["", directory]]),
			writer,
			new Map([
				[long, file(1)],
				["short", file(1)],
			]),
			() => undefined,
		);
		expect({ taken, tooLong }).toEqual({ taken: ["short"], tooLong: [long] });
		expect([...delta.changed.keys()]).toEqual([
			`.recovered/${writer}/short`,
			`.recovered/${writer}`,
			".recovered",
		]);
	});
});

it.each([
	[`.recovered/${writer}`, true, `.recovered/${writer}`],
	[`.recovered/${writer}/x/y`, false, `.recovered/${writer}`],
	[".recovered", false, ".recovered"],
	[".recovered", true, undefined],
	[".recovered/notes", false, undefined],
	[`.recovered/${writer}0`, false, undefined],
	[`a/.recovered/${writer}`, true, undefined],
])("%s (directory: %s) is reserved as %s", (path, isDirectory, reserved) => {
	expect(reservedName(path, isDirectory)).toBe(reserved);
});

describe("the first commit of a log that only quarantines", () => {
	// @id root-entry-of-this-disk
	it("has the workspace's top directory as it is on the disk", () => {
		const real: Entry = { type: "dir", mode: 0o775, mtimeNs: 7n };
		const link: Entry = { type: "link", mtimeNs: 1n, target: "t" };
		const { delta } = quarantineDelta(new Map(), "ab".repeat(16), new Map([["l", link]]), (path) =>
			path === "" ? real : undefined,
		);
		expect(delta.changed.get("")).toEqual(real);
		expect(isInvented(real)).toBe(false);
		expect(isInvented(delta.changed.get(".recovered") as Entry)).toBe(true);
	});
});
