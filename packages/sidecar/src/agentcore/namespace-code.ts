/**
 * The only conversion of a user's id, which may be any text in a token, to a namespace, which
 * becomes part of S3 keys and policies.
 *
 * Bytes of `A-Z a-z 0-9 . _ - @ +` stay unchanged. Every other byte of the id's UTF-8 becomes `=`
 * and two upper-case hex digits, and so does a dot at the start. A result longer than 128
 * characters becomes `=sha256-` and 64 hex digits: `=s` is not an escape, so no id's plain form can
 * equal another's hash. Two ids that differ in one bit have two namespaces: nothing is normalised,
 * folded or trimmed.
 *
 * Not guaranteed: that ids of two issuers differ. A store belongs to one issuer.
 */
import { createHash } from "node:crypto";
import { SidecarError } from "../errors.ts";

const MAX_NAMESPACE = 128;
const HASH_PREFIX = "=sha256-";
const PLAIN = /^[A-Za-z0-9_@+.-]$/;

/** @throws SidecarError IDENTITY_REFUSED: an id that is empty or not well-formed text */
export function encodeUserId(userId: string): string {
	if (userId === "")
		throw new SidecarError("IDENTITY_REFUSED", { reason: "the user's id is empty" });
	// UTF-8 has no form for a lone surrogate: all of them would be encoded equally.
	if (!userId.isWellFormed())
		throw new SidecarError("IDENTITY_REFUSED", {
			reason: "the user's id is not well-formed Unicode",
		});
	const bytes = Buffer.from(userId, "utf8");
	let encoded = "";
	for (const [index, byte] of bytes.entries()) {
		const character = String.fromCharCode(byte);
		const isPlain = PLAIN.test(character) && !(index === 0 && character === ".");
		encoded += isPlain ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
	}
	return encoded.length <= MAX_NAMESPACE
		? encoded
		: HASH_PREFIX + createHash("sha256").update(bytes).digest("hex");
}

/**
 * The id, for people who inspect a store; undefined if the namespace contains only its hash, or was
 * not made by this encoding.
 */
export function decodeNamespace(namespace: string): string | undefined {
	if (!/^(?:[A-Za-z0-9_@+.-]|=[0-9A-F]{2})+$/.test(namespace)) return undefined;
	const bytes = Buffer.from(
		namespace.replace(/=([0-9A-F]{2})/g, (_, hex: string) =>
			String.fromCharCode(Number.parseInt(hex, 16)),
		),
		"latin1",
	);
	const userId = bytes.toString("utf8");
	// Not canonical: a needless escape, or bytes that are not UTF-8.
	return userId !== "" && userId.isWellFormed() && encodeUserId(userId) === namespace
		? userId
		: undefined;
}
