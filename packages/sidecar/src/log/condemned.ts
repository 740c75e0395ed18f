import { createHash } from "node:crypto";
import { SidecarError } from "../errors.ts";
import { packKey, sha256OfPackKey, sha256OfSweepKey, sweepKey } from "./keys.ts";
import type { ObjectKey } from "./types.ts";

/**
 * The packs that one run of retention found unnamed: the SHA-256 of each, 32 bytes, ascending. The
 * object's key is the SHA-256 of its bytes. So the same finding is the same object, and keeps the
 * time when it was first made.
 */
export function encodeCondemned(packs: readonly ObjectKey[]): {
	readonly key: ObjectKey;
	readonly bytes: Buffer;
} {
	const bytes = Buffer.concat(
		[...packs].sort().map((key) => Buffer.from(sha256OfPackKey(key) ?? "", "hex")),
	);
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
