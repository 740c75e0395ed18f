import { expect, test } from "vitest";
import { mountsListed, volumeOf } from "./mounts.ts";
import type { Stat } from "./stat.ts";

const text = (...lines: readonly string[]) => Buffer.from(lines.join("\n"), "latin1");
const paths = (listed: Buffer, directory = "/ws") => [
	...mountsListed(listed, new Map([["", directory]])).keys(),
];

test("lists bind mounts, mounts inside mounts and single files below a directory, and nothing outside it", () => {
	const listed = text(
		"27 1 254:0 / / rw - ext4 /dev/vda rw",
		"40 27 254:0 /v /ws/workspace rw - ext4 /dev/vda rw",
		"41 40 0:50 / /ws/workspace/cache rw - tmpfs tmpfs rw",
		"42 27 254:0 /c.json /ws/openclaw.json rw - ext4 /dev/vda rw",
		"43 27 254:0 / /ws-other/x rw - ext4 /dev/vda rw",
		"44 27 254:0 / /ws rw - ext4 /dev/vda rw",
	);
	// The workspace is itself a mount, mounted over the others.
	expect(paths(listed)).toEqual([]);
	expect(paths(Buffer.from(listed.toString().replace(/\n44.*/, "")))).toEqual([
		"workspace",
		"workspace/cache",
		"openclaw.json",
	]);
});

test("lists the topmost of stacked mounts, and none that a mount above hides", () => {
	const listed = text(
		"27 1 254:0 / / rw - ext4 /dev/vda rw",
		"40 27 0:50 / /ws/a rw - tmpfs one rw",
		"41 40 0:51 / /ws/a rw - tmpfs two rw",
		"42 27 0:52 / /ws/b/c rw - tmpfs hidden rw",
		"43 27 0:53 / /ws/b rw - tmpfs over rw",
	);
	expect([...mountsListed(listed, new Map([["", "/ws"]])).values()]).toEqual([
		{ path: "a", id: "41", source: "tmpfs two /", isReadOnly: false },
		{ path: "b", id: "43", source: "tmpfs over /", isReadOnly: false },
	]);
});

test("reads names with spaces, backslashes and bytes that are not UTF-8", () => {
	const listed = text(
		"27 1 254:0 / / rw - ext4 /dev/vda rw",
		"40 27 0:50 / /ws/a\\040b\\134c\xff rw - tmpfs t rw",
	);
	expect(paths(listed)).toEqual(["a b\\c\udcff"]);
});

test("finds mounts of an additional root below its place in the tree, and those of a workspace that is /", () => {
	const listed = text(
		"27 1 254:0 / / rw - ext4 /dev/vda rw",
		"40 27 0:50 / /notes/n rw - tmpfs t rw",
	);
	expect([...mountsListed(listed, new Map([[".roots/notes", "/notes"]])).keys()]).toEqual([
		".roots/notes/n",
	]);
	expect(paths(listed, "/")).toEqual(["notes/n"]);
});

test("keeps a volume's identity when its device number changes, but not a tmpfs's", () => {
	const stat = (dev: bigint, birthNs: bigint): Stat => ({
		...{ type: "dir", mode: 0o755, size: 0, mtimeNs: 0n, ctimeNs: 0n, ino: 2n },
		...{ dev, birthNs, uid: 0 },
	});
	expect(volumeOf(stat(1n, 5n), "ext4 /dev/vdb /")).toBe(volumeOf(stat(2n, 5n), "ext4 /dev/vdc /"));
	expect(volumeOf(stat(1n, 5n), "ext4 /dev/vdb /")).not.toBe(
		volumeOf(stat(1n, 6n), "ext4 /dev/vdb /"),
	);
	expect(volumeOf(stat(1n, 0n), "nfs4 server:/a /")).toBe(
		volumeOf(stat(2n, 0n), "nfs4 server:/a /"),
	);
	expect(volumeOf(stat(1n, 0n), "nfs4 server:/a /")).not.toBe(
		volumeOf(stat(1n, 0n), "nfs4 server:/b /"),
	);
	expect(volumeOf(stat(1n, 0n), "tmpfs tmpfs /")).not.toBe(volumeOf(stat(2n, 0n), "tmpfs tmpfs /"));
});

test("treats a mount as read-only by its own options or by those of its file system", () => {
	const listed = text(
		"27 1 254:0 / / rw - ext4 /dev/vda rw",
		"40 27 0:50 / /ws/a ro shared:1 master:2 - tmpfs t rw",
		"41 27 0:51 / /ws/b rw - tmpfs t ro",
		"42 27 0:52 / /ws/c rw - tmpfs t rw",
	);
	const readOnly = [...mountsListed(listed, new Map([["", "/ws"]])).values()].filter(
		({ isReadOnly }) => isReadOnly,
	);
	expect(readOnly.map(({ path }) => path)).toEqual(["a", "b"]);
});

test("lists the directories themselves if asked to", () => {
	const listed = text("27 1 254:0 / / rw - ext4 /dev/vda rw", "40 27 0:50 / /ws rw - tmpfs t rw");
	expect([...mountsListed(listed, new Map([["", "/ws"]])).keys()]).toEqual([]);
	expect([...mountsListed(listed, new Map([["", "/ws"]]), true).keys()]).toEqual([""]);
});
