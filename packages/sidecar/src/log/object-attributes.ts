/**
 * The attributes of an object that neither its key nor its bytes show, as two entries of its
 * metadata:
 *
 * - `mode`: type and permissions as in stat(2), in octal: `100644` a file, `40755` a directory,
 *   `120777` a link;
 * - `mtime`: seconds since 1970 with up to nine decimals, negative before.
 *
 * They are those of rclone (`--metadata`), so that rclone keeps them, too. A directory is an object
 * without bytes whose key ends in `/`. A link is an object whose bytes are its target. A missing
 * value or one of another form counts as not given.
 */
import { MAX_TIME_SECONDS } from "./limits.ts";
import type { Entry } from "./types.ts";

const TYPE_BITS = { file: 0o100000, dir: 0o040000, link: 0o120000 } as const;
const SECOND_NS = 1_000_000_000n;

export interface Attributes {
	readonly type: Entry["type"] | undefined;
	/** Without the type's bits. */
	readonly mode: number | undefined;
	readonly mtimeNs: bigint | undefined;
}

export function attributesOf(entry: Entry): Record<string, string> {
	const permissions = entry.type === "link" ? 0o777 : entry.mode;
	return {
		mode: (TYPE_BITS[entry.type] | permissions).toString(8),
		mtime: secondsOf(entry.mtimeNs),
	};
}

export function parseAttributes(metadata: Readonly<Record<string, string>>): Attributes {
	const mode = /^[0-7]{5,7}$/.test(metadata.mode ?? "")
		? Number.parseInt(metadata.mode as string, 8)
		: 0;
	const type = (["file", "dir", "link"] as const).find(
		(each) => (mode & 0o170000) === TYPE_BITS[each],
	);
	return {
		type,
		mode: type === undefined ? undefined : mode & 0o7777,
		mtimeNs: parseSeconds(metadata.mtime ?? ""),
	};
}

function secondsOf(timeNs: bigint): string {
	const size = timeNs < 0n ? -timeNs : timeNs;
	return `${timeNs < 0n ? "-" : ""}${size / SECOND_NS}.${String(size % SECOND_NS).padStart(9, "0")}`;
}

function parseSeconds(text: string): bigint | undefined {
	const [, sign, seconds, decimals = ""] = /^(-?)(\d{1,13})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
	if (seconds === undefined || BigInt(seconds) >= MAX_TIME_SECONDS) return undefined;
	const timeNs = BigInt(seconds) * SECOND_NS + BigInt(decimals.padEnd(9, "0"));
	return sign === "-" ? -timeNs : timeNs;
}
