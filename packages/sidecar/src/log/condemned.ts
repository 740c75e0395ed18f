import { createHash } from "node:crypto";
import { SidecarError } from "../errors.ts";
import { packKey, sha256OfPackKey, sha256OfSweepKey, sweepKey } from "./keys.ts";
import type { ObjectKey } from "./types.ts";

/**
 * What one run of retention found unneeded: the SHA-256 of each pack, 32 bytes, ascending. A list of
 * commits has the SHA-256 of their keys instead (`commitDigest`), which no pack has. The object's
 * key is the SHA-256 of its bytes. So the same finding is the same object, and keeps the
 * time when it was first made.
 */
export function encodeCondemned(packs: readonly ObjectKey[]): {
	readonly key: ObjectKey;
	readonly bytes: Buffer;
} {
	return encodeDigests(packs.map((key) => sha256OfPackKey(key) ?? ""));
}

/** @param digests 64 hex digits each */
export function encodeDigests(digests: readonly string[]): {
	readonly key: ObjectKey;
	readonly bytes: Buffer;
} {
	const bytes = Buffer.concat([...digests].sort().map((digest) => Buffer.from(digest, "hex")));
	return { key: sweepKey(createHash("sha256").update(bytes).digest("hex")), bytes };
}

/** @throws SidecarError OBJECT_CORRUPT */
export function decodeCondemned(key: ObjectKey, bytes: Buffer): ObjectKey[] {
	if (
		bytes.length % 32 !== 0 ||
		createHash("sha256").update(bytes).digest("hex") !== sha256OfSweepKey(key)
	) {
		throw new SidecarError("OBJECT_CORRUPT", {
			value: key,
			reason: "its content does not match its name",
		});
	}
	return Array.from({ length: bytes.length / 32 }, (_, index) =>
		packKey(bytes.toString("hex", index * 32, index * 32 + 32)),
	);
}
