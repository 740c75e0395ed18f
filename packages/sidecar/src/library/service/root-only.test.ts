import { expect, test } from "vitest";
import { changeableByOthers } from "./root-only.ts";

const DIRECTORY = 0o755;
type Entry = readonly [uid: number, mode: number, target?: string];

function found(path: string, entries: Readonly<Record<string, Entry>>): string | undefined {
	const disk: Readonly<Record<string, Entry>> = {
		"/": [0, DIRECTORY],
		"/etc": [0, DIRECTORY],
		"/etc/x": [0, DIRECTORY],
		"/etc/x/c.json": [0, 0o644],
		"/home": [0, DIRECTORY],
		"/home/anna": [1000, DIRECTORY],
		"/home/anna/c.json": [0, 0o644],
		"/tmp": [0, 0o1777],
		...entries,
	};
	return changeableByOthers(path, {
		stat: (at) => {
			const entry = disk[at];
			if (entry === undefined) return undefined;
			return { uid: entry[0], mode: entry[1], isSymbolicLink: () => entry[2] !== undefined };
		},
		target: (at) => disk[at]?.[2] ?? "",
	});
}

// @id service-root-only
test.each([
	["a file that root alone can change", "/etc/x/c.json", {}, undefined],
	["a missing file in root's directory", "/etc/x/none.env", {}, undefined],
	["a user's file", "/etc/x/c.json", { "/etc/x/c.json": [1000, 0o644] }, "/etc/x/c.json"],
	[
		"a file that a group may write",
		"/etc/x/c.json",
		{ "/etc/x/c.json": [0, 0o664] },
		"/etc/x/c.json",
	],
	["root's file in a user's directory", "/home/anna/c.json", {}, "/home/anna"],
	["a missing file in a user's directory", "/home/anna/x.env", {}, "/home/anna"],
	["a file in a sticky directory", "/tmp/c.json", { "/tmp/c.json": [0, 0o600] }, "/tmp"],
	["a link of root to root's file", "/etc/l/c.json", { "/etc/l": [0, 0o777, "x"] }, undefined],
	[
		"a link of root to a user's directory",
		"/etc/l",
		{ "/etc/l": [0, 0o777, "/home/anna/c.json"] },
		"/home/anna",
	],
	["a user's link", "/etc/l", { "/etc/l": [1000, 0o777, "x/c.json"] }, "/etc/l"],
	["a link to itself", "/etc/l", { "/etc/l": [0, 0o777, "l"] }, "/etc/l"],
] as const)("%s: it names what others can change", (_, path, entries, place) => {
	expect(found(path, entries as unknown as Readonly<Record<string, Entry>>)).toBe(place);
});
