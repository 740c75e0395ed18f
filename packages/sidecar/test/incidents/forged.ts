/** Forged commits: every checksum is right, but no writer of ours would write the manifest. */
import { zstdCompressSync } from "node:zlib";
import { ByteWriter } from "../../src/log/byte-writer.ts";
import { COMMIT_HEADER_BYTES, encodeHeader } from "../../src/log/commit-header.ts";
import type { Head } from "../../src/log/fold.ts";
import { logKey } from "../../src/log/keys.ts";
import { encodeManifest } from "../../src/log/manifest-encode.ts";
import { ENTRY } from "../../src/log/manifest-words.ts";

/**
 * A path that ends with a slash is a directory, and is written without the slash. Other paths are
 * empty files.
 */
export interface Forgery {
	readonly kind: "full" | "delta";
	readonly changed: readonly string[];
	readonly removed?: readonly string[];
}

/** The next commit of a log, with the paths in the order of the forgery. */
export function forge(
	head: Head,
	{ kind, changed, removed = [] }: Forgery,
): { readonly key: string; readonly body: Buffer } {
	const seq = head.seq + 1;
	const key = logKey(seq);
	const fullSeq = kind === "full" ? seq : head.fullSeq;
	const writer = "f".repeat(32);
	const info = {
		seq,
		kind,
		flags: { fence: true },
		writer,
		fenceSeq: seq,
		fullSeq,
		previousId: head.id,
		wallTimeMs: 0,
	} as const;
	const out = new ByteWriter();
	// Without its two empty lists of paths.
	out.bytes(encodeManifest(info, key, [], []).subarray(0, -2));
	writeNames(out, changed, (isDirectory) => {
		out.u8(isDirectory ? ENTRY.dir : ENTRY.file);
		out.varint(isDirectory ? 0o700 : 0o600);
		out.signedVarint(0);
		out.varint(0);
		if (isDirectory) return;
		out.varint(0);
		out.u8(20);
	});
	writeNames(out, removed, () => {});
	const raw = Buffer.from(out.view());
	const stored = zstdCompressSync(raw);
	const { header } = encodeHeader(COMMIT_HEADER_BYTES + stored.length, stored, raw.length, seq);
	return { key, body: Buffer.concat([header, stored]) };
}

function writeNames(
	out: ByteWriter,
	names: readonly string[],
	then: (isDirectory: boolean) => void,
): void {
	out.varint(names.length);
	for (const name of names) {
		const isDirectory = name === "" || name.endsWith("/");
		const bytes = Buffer.from(name.replace(/\/$/, ""));
		out.varint(0);
		out.varint(bytes.length);
		out.bytes(bytes);
		then(isDirectory);
	}
}
