/**
 * Resolves the workspace's directories once. Links in the path of an additional root are followed
 * here and never again.
 *
 * No directory may contain another, nor the store or the private directory. Otherwise a commit
 * would contain itself, or a restore would overwrite one with the other. Does NOT see a directory
 * that is mounted inside another under a different name.
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import { Roots } from "../path.ts";
import { statOf } from "../workspace/stat.ts";
import { realPath } from "./place.ts";
import { leadsTo } from "./workspace-place.ts";

interface Place {
	/** For people. */
	readonly what: string;
	readonly directory: string;
	readonly real: string;
}

/** @throws SidecarError USAGE if directories overlap, or if a root is not a directory */
export function openRoots(
	{ workspace, stateDir, roots = new Map() }: Pick<Config, "workspace" | "stateDir" | "roots">,
	storeUrl: string,
): Roots {
	if (roots.size === 0) return new Roots(workspace);
	const places: Place[] = [
		{ what: "the workspace", directory: workspace, real: realPath(workspace) },
		{ what: "the state directory", directory: stateDir, real: realPath(stateDir) },
	];
	if (storeUrl.startsWith("file:")) {
		const directory = fileURLToPath(storeUrl);
		places.push({ what: "the store", directory, real: realPath(directory) });
	}
	const others = new Map<string, string>();
	for (const [name, directory] of roots) {
		const root = { what: `the root ${name}`, directory, real: rootPathOf(name, directory) };
		for (const other of places) requireApart(root, other);
		places.push(root);
		others.set(name, root.real);
	}
	return new Roots(workspace, others);
}

/** @throws SidecarError USAGE */
function requireApart(root: Place, other: Place): void {
	const inside = (inner: Place, outer: Place) =>
		isInside(inner.directory, outer.directory) || isInside(inner.real, outer.real);
	const isSame = root.real === other.real || isOneDirectory(root.real, other.real);
	const how = isSame
		? "is"
		: inside(root, other)
			? "is inside"
			: inside(other, root)
				? "holds"
				: undefined;
	if (how === undefined) return;
	throw new SidecarError("USAGE", {
		value: root.directory,
		reason: `${root.what} ${how} ${other.what} (${other.directory})`,
		remedy:
			other.what === "the workspace" && how === "is inside"
				? "remove this --root: the workspace includes everything in it"
				: "name directories with --root that are outside the workspace, the store, the state directory and each other",
	});
}

/** One directory may have two names: a bind mount. */
function isOneDirectory(a: string, b: string): boolean {
	const [first, second] = [statOf(a), statOf(b)];
	return (
		first !== undefined &&
		second !== undefined &&
		first.dev === second.dev &&
		first.ino === second.ino
	);
}

/** @throws SidecarError USAGE */
function rootPathOf(name: string, directory: string): string {
	const refuse = (reason: string) => {
		const remedy = "name a directory, or a place where one can be created";
		return new SidecarError("USAGE", {
			value: directory,
			reason: `the root ${name}: ${reason}`,
			remedy,
		});
	};
	let real: string;
	try {
		real = leadsTo(directory);
		const stat = statOf(real);
		if (stat === undefined || stat.type === "dir") return real;
	} catch (cause) {
		throw refuse((cause as NodeJS.ErrnoException).code ?? String(cause));
	}
	throw refuse("it is not a directory");
}

/** A directory is inside itself. */
export function isInside(inner: string, outer: string): boolean {
	const way = relative(outer, inner);
	return way !== ".." && !way.startsWith("../");
}
