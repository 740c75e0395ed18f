/**
 * Mount points below the directories of a workspace, and the volume in each of them.
 *
 * Source: /proc/self/mountinfo, which also lists bind mounts of the same file system and of single
 * files. Without /proc, `mountsByDevice` finds those whose device differs from that of the parent
 * directory. A bind mount of the same device stays undetected. Does NOT list a mount that another
 * mount hides.
 */
import { readFileSync, realpathSync } from "node:fs";
import { decodeName, joinPath, parentOf, type Root, rootPath } from "../path.ts";
import { lstatPath, type Stat } from "./stat.ts";

export interface Mount {
	/** In the tree: below the workspace, or below `.roots/{name}`. */
	readonly path: string;
	/** The kernel's number for this mount, new after each mounting. "" if unknown. */
	readonly id: string;
	/** File system type, source and the directory inside the source; "" if unknown. */
	readonly source: string;
	readonly isReadOnly: boolean;
}

/** A line of mountinfo. */
interface Line {
	readonly id: string;
	readonly parent: string;
	readonly place: string;
	readonly source: string;
	readonly isReadOnly: boolean;
}

/**
 * Visible mount points below the workspace and its additional roots, by path. Undefined if the
 * kernel does not list them. 0.1 ms. `withTops` includes these directories themselves.
 */
export function mountsBelow(root: Root, withTops = false): Map<string, Mount> | undefined {
	let text: Buffer;
	try {
		text = readFileSync("/proc/self/mountinfo");
	} catch {
		return undefined;
	}
	return mountsListed(text, placesOf(root), withTops);
}

/**
 * The same from the text of a mountinfo.
 * @param places real absolute directories, by their paths in the tree
 * @param withTops include those of them that are mount points themselves
 */
export function mountsListed(
	text: Buffer,
	places: ReadonlyMap<string, string>,
	withTops = false,
): Map<string, Mount> {
	const lines = text
		.toString("latin1")
		.split("\n")
		.flatMap((line) => parseLine(line) ?? []);
	const found = new Map<string, Mount>();
	for (const line of lines)
		for (const [at, directory] of places) {
			const prefix = directory === "/" ? "/" : `${directory}/`;
			const isTop = line.place === directory;
			if (
				(isTop ? !withTops : !line.place.startsWith(prefix)) ||
				visibleAt(line.place, lines) !== line
			)
				continue;
			const path = isTop ? at : joinPath(at, line.place.slice(prefix.length));
			found.set(path, { path, id: line.id, source: line.source, isReadOnly: line.isReadOnly });
		}
	return found;
}

/** Mount points in the result of a scan, by device number alone. */
export function mountsByDevice(stats: ReadonlyMap<string, Stat>): Map<string, Mount> {
	const found = new Map<string, Mount>();
	for (const [path, { dev }] of stats) {
		const above = path === "" ? undefined : stats.get(parentOf(path));
		// Device 0 represents `.roots`, which exists on no disk.
		if (above !== undefined && above.dev !== 0n && dev !== 0n && above.dev !== dev)
			found.set(path, { path, id: "", source: "", isReadOnly: false });
	}
	return found;
}

/**
 * Identifies the volume at a mount point. The result is the same after the volume is mounted again,
 * even if the device number differs then.
 */
export function volumeOf(stat: Stat, source: string): string {
	if (stat.type !== "dir") return `file:${stat.dev}:${stat.ino}`;
	if (stat.birthNs !== 0n) return `dir:${stat.ino}:${stat.birthNs}`;
	// NFS and similar file systems report no birth time, and get another device number at each
	// mounting. Memory never comes back.
	const isMemory = source === "" || source.startsWith("tmpfs ") || source.startsWith("ramfs ");
	return `dir:${stat.ino}:${isMemory ? stat.dev : source}`;
}

/** The real paths of the directories that exist. */
function placesOf(root: Root): Map<string, string> {
	const places = new Map<string, string>();
	const add = (at: string, directory: string) => {
		try {
			if (lstatPath(root, at)?.type === "dir") places.set(at, realpathSync.native(directory));
		} catch {
			// The scan reports what cannot be inspected.
		}
	};
	add("", typeof root === "string" ? root : root.main);
	if (typeof root !== "string")
		for (const [name, directory] of root.others) add(rootPath(name), directory);
	return places;
}

function parseLine(line: string): Line | undefined {
	const [left = "", right = ""] = line.split(" - ", 2);
	const [id, parent, , inside = "", place, options = ""] = left.split(" ");
	const [type = "", source = "", superOptions = ""] = right.split(" ");
	if (id === undefined || parent === undefined || place === undefined) return undefined;
	const isReadOnly = [options, superOptions].some((each) => each.split(",").includes("ro"));
	return { id, parent, place: unescaped(place), source: `${type} ${source} ${inside}`, isReadOnly };
}

/** Spaces, tabs, newlines and backslashes are written as octal numbers there. */
function unescaped(text: string): string {
	const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
		String.fromCharCode(Number.parseInt(octal, 8)),
	);
	return decodeName(Buffer.from(bytes, "latin1"));
}

/**
 * The mount that is visible at a path: from the top, each step enters the mount that covers the
 * previous one.
 */
function visibleAt(place: string, lines: readonly Line[]): Line | undefined {
	const ids = new Set(lines.map(({ id }) => id));
	let current: Line | undefined;
	const enter = (at: string) => {
		for (;;) {
			const next = lines.find(
				(line) =>
					line.place === at &&
					line !== current &&
					(current === undefined ? !ids.has(line.parent) : line.parent === current.id),
			);
			if (next === undefined) return;
			current = next;
		}
	};
	enter("/");
	for (let slash = place.indexOf("/", 1); slash >= 0; slash = place.indexOf("/", slash + 1))
		enter(place.slice(0, slash));
	if (place !== "/") enter(place);
	return current;
}
