/**
 * Which paths a person means. Without any of `* ? [ {` the text is a path. With one it is a glob in
 * which `*` and `?` match no `/`, `**` matches any directories, and `{a,b}` and `[a-z]` are
 * alternatives; names that begin with a dot match too. A glob without `/` is compared with the name
 * alone, at any depth. `\` makes the next character an ordinary one.
 */
import picomatch from "picomatch";
import type { Path } from "../log/types.ts";
import { baseOf, parentOf } from "../path.ts";

export interface SelectOptions {
	readonly ignoreCase?: boolean | undefined;
}

export type PathSelector = (path: Path) => boolean;

/** Selects the paths that match any of `globs`. A plain name matches at any depth, like a glob. */
export function matchGlobs(globs: readonly string[], options: SelectOptions = {}): PathSelector {
	const matchers = globs.map((glob) => matcherOf(glob, true, options));
	return (path) => matchers.some((matches) => matches(path));
}

/**
 * Selects paths, those that match a glob, and everything below a directory among them. A plain name
 * is the path of that name in the workspace itself.
 */
export function matchPaths(typed: readonly string[], options: SelectOptions = {}): PathSelector {
	const matchers = typed.map((each) => matcherOf(each, false, options));
	return (path) => {
		for (let at = path; ; at = parentOf(at)) {
			if (matchers.some((matches) => matches(at))) return true;
			if (at === "") return false;
		}
	};
}

export function isGlob(typed: string): boolean {
	return /[*?[{]/.test(typed);
}

/** Without a leading `./` or a trailing `/`; `.` is the workspace itself. */
function plainPath(typed: string): Path {
	const path = typed.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
	return path === "." ? "" : path;
}

/** Reverses the escapes of `ls`, such as `\u000a`. */
function unescaped(text: string): string {
	return text.replace(/\\u([0-9a-f]{4})/g, (_, digits: string) =>
		String.fromCharCode(Number.parseInt(digits, 16)),
	);
}

/** @param isNameAnywhere whether text that is no glob and has no `/` is compared with names */
function matcherOf(
	typed: string,
	isNameAnywhere: boolean,
	{ ignoreCase = false }: SelectOptions,
): PathSelector {
	const plain = plainPath(typed);
	const folded = (text: string) => (ignoreCase ? text.toLowerCase() : text);
	const texts = new Set([folded(plain), folded(unescaped(plain))]);
	const isText = (path: Path) => texts.has(folded(path));
	const isName = plain !== "" && !plain.includes("/");
	if (!isGlob(plain))
		return isNameAnywhere && isName ? (path) => path !== "" && isText(baseOf(path)) : isText;
	// The flag s: names may contain line breaks.
	const matches = picomatch(unescaped(plain), {
		dot: true,
		nonegate: true,
		noextglob: true,
		flags: ignoreCase ? "is" : "s",
	});
	return (path) => isText(path) || (path !== "" && matches(isName ? baseOf(path) : path));
}
