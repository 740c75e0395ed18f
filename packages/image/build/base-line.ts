/** The base image, as a line of the Containerfile names it. */

export interface Base {
	/** With the registry's host. */
	readonly name: string;
	readonly tag: string;
	readonly digest?: string | undefined;
}

const LINE = /^ARG BASE=([^\s:@]+):([^\s:@]+)(?:@(sha256:[0-9a-f]{64}))?$/m;

/** @throws Error if the Containerfile names no base image, or one without a tag */
export function baseIn(containerfile: string): Base {
	const [, name, tag, digest] = LINE.exec(containerfile) ?? [];
	if (name === undefined || tag === undefined)
		throw new Error("the Containerfile has no line ARG BASE=HOST/NAME:TAG[@sha256:DIGEST]");
	return { name, tag, digest };
}

export function withBase(containerfile: string, { name, tag, digest }: Base): string {
	return containerfile.replace(
		LINE,
		`ARG BASE=${name}:${tag}${digest === undefined ? "" : `@${digest}`}`,
	);
}
