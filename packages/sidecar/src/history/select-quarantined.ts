/** Selects the quarantined files that a user means, and removes them from a tree. Pure. */

import { quarantinedIn } from "../commit/quarantined.ts";
import { SidecarError } from "../errors.ts";
import { quarantineHome, quarantineWriter, RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { Delta, Entry, Path, Tree } from "../log/types.ts";
import { parentOf } from "../path.ts";
import { findPath, requireNamed } from "./inspect.ts";

export interface Selection {
	/** A superseded writer's id or its first digits; default: every writer. */
	readonly writer?: string | undefined;
	/**
	 * The original path, as typed: a file, a link, or a directory and all below it. Default:
	 * everything.
	 */
	readonly path?: string | undefined;
}

/** What one writer quarantined, by the original paths on its own disk. */
export interface Selected {
	readonly writer: string;
	/** The requested path; "" if everything was requested. */
	readonly path: Path;
	/**
	 * The entries at that path and below, and the directories above; "" for the writer's workspace
	 * itself.
	 */
	readonly entries: ReadonlyMap<Path, Entry>;
}

/** @throws SidecarError USAGE (an ambiguous writer), PATH_NOT_FOUND */
export function selectQuarantined(tree: Tree, { writer, path }: Selection): readonly Selected[] {
	if (path !== undefined) requireNamed(path);
	const writers = quarantinedIn(tree).map((each) => each.writer);
	const meant = writers.filter((each) => writer === undefined || each.startsWith(writer));
	if (writer !== undefined && meant.length !== 1) {
		const reason =
			meant.length === 0
				? "no writer of that name quarantined anything"
				: `${meant.length} writers' names start with it`;
		throw new SidecarError("USAGE", {
			value: writer || '""',
			reason,
			remedy: "`openclaw-sidecar recover` lists them",
		});
	}
	const picked = meant.flatMap((each) => pickOf(tree, each, path) ?? []);
	if (picked.length === 0 && path !== undefined)
		throw new SidecarError("PATH_NOT_FOUND", {
			value: path,
			reason: "nothing of that name is quarantined",
			remedy: REMEDY,
		});
	return picked;
}

/** @throws SidecarError as `selectQuarantined`; USAGE if several writers quarantine it */
export function pickOne(tree: Tree, wanted: Selection & { readonly path: string }): Selected {
	const [picked, ...others] = selectQuarantined(tree, wanted);
	if (picked !== undefined && others.length === 0) return picked;
	const writers = [picked, ...others].map((each) => each?.writer.slice(0, 8)).join(", ");
	throw new SidecarError("USAGE", {
		value: wanted.path,
		reason: `several writers quarantined it: ${writers}`,
		remedy: "name one with --writer",
	});
}

const REMEDY = "`openclaw-sidecar recover` lists what is quarantined";

function pickOf(tree: Tree, writer: string, typed: string | undefined): Selected | undefined {
	const home = quarantineHome(writer);
	const own = new Map<Path, Entry>();
	for (const [path, entry] of tree)
		if (path === home || path.startsWith(`${home}/`)) own.set(path.slice(home.length + 1), entry);
	const path = typed === undefined ? "" : findPath(own, typed);
	if (path === undefined) return undefined;
	const entries = new Map<Path, Entry>();
	for (let above = path; above !== ""; ) {
		above = parentOf(above);
		entries.set(above, own.get(above) as Entry);
	}
	for (const [at, entry] of own)
		if (path === "" || at === path || at.startsWith(`${path}/`)) entries.set(at, entry);
	return { writer, path, entries };
}

/** Removes files and links from `.recovered/`, and directories that are then empty. */
export function dropDelta(tree: Tree, picked: readonly Selected[]): Delta {
	const dropped = new Set<Path>();
	for (const { writer, entries } of picked) {
		for (const [path, entry] of entries)
			if (entry.type !== "dir") dropped.add(`${quarantineHome(writer)}/${path}`);
	}
	const needed = new Set<Path>();
	for (const [path, entry] of tree) {
		if (entry.type === "dir" || dropped.has(path) || quarantineWriter(path) === undefined) continue;
		for (
			let above = parentOf(path);
			above !== RECOVERED_DIRECTORY && !needed.has(above);
			above = parentOf(above)
		)
			needed.add(above);
	}
	const removed = new Set<Path>();
	for (const [path, entry] of tree) {
		if (
			quarantineWriter(path) !== undefined &&
			(dropped.has(path) || (entry.type === "dir" && !needed.has(path)))
		)
			removed.add(path);
	}
	return { changed: new Map(), removed: dropped.size === 0 ? new Set() : removed };
}
