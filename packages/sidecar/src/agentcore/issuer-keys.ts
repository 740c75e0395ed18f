/**
 * The signing keys of one OpenID issuer: discovery, then its key set. Both are fetched when the
 * first token arrives, and never before.
 *
 * Bounded: one key set; answers of at most 256 KiB, within 5 s, without redirects. An unknown key
 * id causes a new request at most every 30 s. Keys are fetched again after 10 minutes, so that a
 * key that the issuer withdraws is not trusted for longer.
 */
import type { FetchImplementation, JWTVerifyGetKey } from "jose";
import { SidecarError } from "../errors.ts";

const MAX_ANSWER_BYTES = 256 * 1024;
const TIMEOUT_MS = 5_000;
const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;

export class IssuerKeys {
	readonly #issuer: string;
	#keys: Promise<JWTVerifyGetKey> | undefined;

	/**
	 * @param issuer exactly as in the tokens' `iss`, e.g.
	 * `https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc`
	 * @throws SidecarError USAGE: not https, except on this machine
	 */
	constructor(issuer: string) {
		if (!isTrustworthy(issuer))
			throw new SidecarError("USAGE", { value: issuer, reason: "an issuer is an https:// URL" });
		this.#issuer = issuer;
	}

	/** Finds the key of a token. @throws SidecarError ISSUER_UNREACHABLE */
	readonly find: JWTVerifyGetKey = async (header, token) => {
		this.#keys ??= this.#discover().catch((error: unknown) => {
			// The next token tries again.
			this.#keys = undefined;
			throw error;
		});
		return await (await this.#keys)(header, token);
	};

	async #discover(): Promise<JWTVerifyGetKey> {
		const { createRemoteJWKSet, customFetch } = await import("jose");
		const url = `${this.#issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
		const document: unknown = await (
			await this.#fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
		)
			.json()
			.catch(() => undefined);
		const { issuer, jwks_uri: keysUrl } = (document ?? {}) as Record<string, unknown>;
		if (issuer !== this.#issuer)
			throw this.#unreachable(
				`its discovery document names ${issuer === undefined ? "no issuer" : "another issuer"}`,
			);
		if (typeof keysUrl !== "string" || !isTrustworthy(keysUrl))
			throw this.#unreachable("its discovery document names no https:// jwks_uri");
		const fetchKeys: FetchImplementation = async (url, { headers, signal }) =>
			await this.#fetch(url, { headers, signal });
		return createRemoteJWKSet(new URL(keysUrl), {
			timeoutDuration: TIMEOUT_MS,
			cooldownDuration: COOLDOWN_MS,
			cacheMaxAge: MAX_AGE_MS,
			[customFetch]: fetchKeys,
		});
	}

	/** A complete answer with status 200. */
	async #fetch(url: string, init: RequestInit): Promise<Response> {
		try {
			const response = await fetch(url, { ...init, redirect: "error" });
			const body = await readAll(response);
			if (response.status !== 200) throw this.#unreachable(`it answers ${response.status}`);
			return new Response(body, { status: 200 });
		} catch (cause) {
			throw cause instanceof SidecarError ? cause : this.#unreachable(causeOf(cause), cause);
		}
	}

	#unreachable(reason: string, cause?: unknown): SidecarError {
		return new SidecarError("ISSUER_UNREACHABLE", { value: this.#issuer, reason, cause });
	}
}

async function readAll(response: Response): Promise<Buffer<ArrayBuffer>> {
	const parts: Uint8Array[] = [];
	let sizeBytes = 0;
	for await (const part of response.body ?? []) {
		sizeBytes += part.byteLength;
		// Leaving the loop cancels the rest.
		if (sizeBytes > MAX_ANSWER_BYTES)
			throw new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`);
		parts.push(part);
	}
	return Buffer.concat(parts);
}

/** The cause that `fetch` hides behind "fetch failed". */
function causeOf(error: unknown): string {
	const { cause, message } = error as Error;
	return cause instanceof Error && "code" in cause ? String(cause.code) : message;
}

function isTrustworthy(text: string): boolean {
	const url = URL.parse(text);
	if (url === null || url.username !== "" || url.password !== "") return false;
	return (
		url.protocol === "https:" ||
		(url.protocol === "http:" && /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(url.hostname))
	);
}
