import { didYouMean } from "../../config/suggest.ts";
import { ERRORS, type ErrorCode, type ErrorSpec, SidecarError } from "../../errors.ts";
import { PLATFORM_CODES } from "./platform-codes.ts";

export interface Explanation {
	readonly code: string;
	readonly meaning: string;
	/** Set if the table knows more than the meaning. */
	readonly cause: string | undefined;
	readonly remedy: string;
	/** Only for the sidecar's own errors. */
	readonly exitStatus: number | undefined;
}

const PLATFORM: readonly (readonly [Explanation, words: readonly string[]])[] = PLATFORM_CODES.map(
	({ said, ...spec }) => [{ ...spec, exitStatus: undefined }, [spec.code, ...said]],
);

const OWN: readonly (readonly [Explanation, words: readonly string[]])[] = (
	Object.entries(ERRORS) as [ErrorCode, ErrorSpec][]
).map(([code, spec]) => [{ code, ...spec, cause: undefined }, [code]]);

/**
 * Explains codes and their remedies: each code of `ERRORS`, and the platform's codes.
 * @param text a code, or a message with codes in it
 * @returns in the order of the text, each once
 * @throws SidecarError USAGE if the text contains no code
 */
export function explain(text: string): readonly [Explanation, ...Explanation[]] {
	const found = [...OWN, ...PLATFORM]
		.map(([explanation, words]) => ({ explanation, at: first(text, words) }))
		.filter(({ at }) => at >= 0)
		.sort((a, b) => a.at - b.at);
	const [one, ...more] = found.map(({ explanation }) => explanation);
	if (one !== undefined) return [one, ...more];
	throw new SidecarError("USAGE", {
		value: text.trim() === "" ? '""' : text,
		reason: `it contains no known code${didYouMean(
			text.trim(),
			[...OWN, ...PLATFORM].map(([{ code }]) => code),
		)}`,
		remedy:
			"docs/troubleshooting.md lists the codes; a log line has them as `code`, an error in [brackets]",
	});
}

/** Where the first of the words occurs as a separate word; -1 if none does. */
function first(text: string, words: readonly string[]): number {
	const places = words.map((word) =>
		text.search(
			new RegExp(
				`(?<![A-Za-z0-9_])${word.replaceAll(".", "\\.")}(?:Exception)?(?![A-Za-z0-9_])`,
				"i",
			),
		),
	);
	const there = places.filter((at) => at >= 0);
	return there.length === 0 ? -1 : Math.min(...there);
}
