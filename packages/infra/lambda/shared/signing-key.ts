/**
 * The KMS key that signs users' tokens: RSA_2048, SIGN_VERIFY, RS256, which both the daemon and
 * IAM's OpenID providers accept. Its private part never leaves KMS. The key id in a token is the
 * RFC 7638 thumbprint, so worker and issuer compute the same id independently.
 */
import { createPublicKey } from "node:crypto";
import { GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { calculateJwkThumbprint, type JWK } from "jose";
import { QUICK } from "./aws-limits.ts";
import { isRecord } from "./environment.ts";

export const ALGORITHM = "RS256";

export class SigningKey {
	readonly #client = new KMSClient(QUICK);
	readonly #id: string;
	#published: Promise<JWK & { readonly kid: string }> | undefined;

	/** @param id of the key, its ARN or an alias */
	constructor(id: string) {
		this.#id = id;
	}

	/** As listed in a key set. @throws Error from KMS, or for a key that is not RSA */
	async published(): Promise<JWK & { readonly kid: string }> {
		this.#published ??= this.#readPublicKey().catch((error: unknown) => {
			// Do not cache a failure, so that the next call tries again.
			this.#published = undefined;
			throw error;
		});
		return await this.#published;
	}

	/** A compact JWS. @throws Error from KMS */
	async sign(claims: Readonly<Record<string, unknown>>): Promise<string> {
		const { kid } = await this.published();
		const input = `${encode({ alg: ALGORITHM, typ: "JWT", kid })}.${encode(claims)}`;
		const { Signature } = await this.#client.send(
			new SignCommand({
				KeyId: this.#id,
				// Not hashed first: KMS accepts 4 KiB, and a longer token would not fit in a header anyway.
				MessageType: "RAW",
				Message: Buffer.from(input),
				SigningAlgorithm: "RSASSA_PKCS1_V1_5_SHA_256",
			}),
		);
		if (Signature === undefined) throw new Error("KMS returned no signature");
		return `${input}.${Buffer.from(Signature).toString("base64url")}`;
	}

	async #readPublicKey(): Promise<JWK & { readonly kid: string }> {
		const { PublicKey } = await this.#client.send(new GetPublicKeyCommand({ KeyId: this.#id }));
		if (PublicKey === undefined) throw new Error("KMS returned no public key");
		const jwk = createPublicKey({
			key: Buffer.from(PublicKey),
			format: "der",
			type: "spki",
		}).export({ format: "jwk" });
		if (!isRecord(jwk) || jwk.kty !== "RSA")
			throw new Error(`the signing key must be RSA, not ${isRecord(jwk) ? jwk.kty : "unknown"}`);
		const { n, e } = jwk as { readonly n: string; readonly e: string };
		const kid = await calculateJwkThumbprint({ kty: "RSA", n, e });
		return { kty: "RSA", n, e, kid, alg: ALGORITHM, use: "sig" };
	}
}

function encode(value: object): string {
	return Buffer.from(JSON.stringify(value)).toString("base64url");
}
