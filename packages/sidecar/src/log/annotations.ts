/**
 * What a commit says about an entry of its tree, or about the whole workspace, besides the content.
 * An example: a turn of the agent was running when its database was captured.
 *
 * Every commit lists all annotations that hold, so that a reader needs no earlier commit. They are
 * advice: nothing that keeps content safe depends on them.
 */
import { compareBytes } from "../path.ts";
import { MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS, MAX_PATH_BYTES } from "./limits.ts";
import type { Annotation, Delta } from "./types.ts";

/** The name of the annotation with the machine that made the changes of a commit. */
export const HOST = "host";

const NAME = /^[a-z][a-z0-9-]{0,63}$/;

/**
 * The annotations of a commit. One about an entry ends when the entry is changed or removed, unless
 * `added` repeats it. One about the workspace (path `""`) holds until its value is replaced.
 * Leaves out what exceeds the format's limits.
 */
export function annotationsAfter(
	before: readonly Annotation[],
	{ changed, removed }: Delta<unknown>,
	added: readonly Annotation[],
): readonly Annotation[] {
	const kept = before.filter(
		({ path }) => path === "" || !(changed.has(path) || removed.has(path)),
	);
	if (added.length === 0) return kept;
	const byPlace = new Map<string, Annotation>();
	for (const annotation of [...kept, ...added])
		if (isAllowed(annotation)) byPlace.set(`${annotation.path}\0${annotation.name}`, annotation);
	return [...byPlace.values()].sort(compareAnnotations).slice(0, MAX_ANNOTATIONS);
}

/** The order in a manifest: by the bytes of the path, then by name. */
export function compareAnnotations(a: Annotation, b: Annotation): number {
	return compareBytes(a.path, b.path) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

export function isAnnotationName(name: string): boolean {
	return NAME.test(name);
}

function isAllowed({ path, name, value }: Annotation): boolean {
	return (
		isAnnotationName(name) &&
		Buffer.byteLength(path) <= MAX_PATH_BYTES &&
		Buffer.byteLength(value) <= MAX_ANNOTATION_BYTES
	);
}
