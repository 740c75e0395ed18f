/**
 * Feishu's encryption of events: AES-256-CBC. The key is the SHA-256 of the encrypt key, and the
 * first 16 bytes are the initialisation vector.
 */
import { createDecipheriv, createHash } from "node:crypto";

const IV_BYTES = 16;

/** @param encrypted base64. @returns undefined if it was not encrypted with this key */
export function decryptEvent(encrypted: string, encryptKey: string): Buffer | undefined {
	const bytes = Buffer.from(encrypted, "base64");
	try {
		const decipher = createDecipheriv(
			"aes-256-cbc",
			createHash("sha256").update(encryptKey).digest(),
			bytes.subarray(0, IV_BYTES),
		);
		return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES)), decipher.final()]);
	} catch {
		return undefined;
	}
}

/**
 * The signature of a request in hex: SHA-256 over timestamp, nonce, encrypt key and the raw body.
 * It is not an HMAC and does not use the app secret.
 */
export function signatureOf(
	timestamp: string,
	nonce: string,
	encryptKey: string,
	body: Uint8Array,
): string {
	return createHash("sha256")
		.update(timestamp + nonce + encryptKey)
		.update(body)
		.digest("hex");
}
