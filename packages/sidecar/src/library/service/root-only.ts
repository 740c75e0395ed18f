/** Whether root alone can change what a path leads to. */
import { lstatSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export interface Look {
	/** Of the name itself; undefined if it is missing. */
	readonly stat: (
		path: string,
	) => { readonly uid: number; readonly mode: number; isSymbolicLink(): boolean } | undefined;
	readonly target: (link: string) => string;
}

const DISK: Look = {
	stat: (path) => lstatSync(path, { throwIfNoEntry: false }),
	target: (link) => readlinkSync(link),
};
/** As the kernel's. */
const MAX_LINKS = 40;

/**
 * The first of the path, its links and all directories above them that another user can change or
 * replace; undefined if there is none. A sticky directory, such as /tmp, is one. What is missing
 * can only be created by root if everything above it is root's.
 * @param path absolute
 */
export function changeableByOthers(path: string, look = DISK, links = 0): string | undefined {
	const names = path.split("/").filter((name) => name !== "");
	let at = "/";
	for (let next = 0; ; next++) {
		const stat = look.stat(at);
		if (stat === undefined) return undefined;
		const isLink = stat.isSymbolicLink();
		const isOpen = isLink ? links > MAX_LINKS : (stat.mode & 0o022) !== 0;
		if (stat.uid !== 0 || isOpen) return at;
		if (isLink) {
			const rest = names.slice(next);
			return changeableByOthers(resolve(dirname(at), look.target(at), ...rest), look, links + 1);
		}
		const name = names[next];
		if (name === undefined) return undefined;
		at = join(at, name);
	}
}
