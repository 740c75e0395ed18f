/** A local OpenID issuer, made with jose: discovery, keys and tokens. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

export interface TokenOptions {
	readonly issuer?: string;
	readonly audience?: string;
	/** Seconds from now. Negative: expired. Infinity: the token has no expiry. */
	readonly expiresInS?: number;
	/** Default: the issuer's own. */
	readonly key?: CryptoKey;
	readonly keyId?: string;
}

export class OidcIssuer implements AsyncDisposable {
	readonly url: string;
	readonly audience = "openclaw-test";
	/** The paths requested. */
	readonly requests: string[] = [];
	/** Responses that replace the usual ones, by path. */
	readonly answers = new Map<string, { readonly status: number; readonly body: string }>();
	readonly #server;
	readonly #key: CryptoKey;

	private constructor(server: ReturnType<typeof createServer>, key: CryptoKey, publicKey: object) {
		this.#server = server;
		this.#key = key;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		const documents: Readonly<Record<string, object>> = {
			"/.well-known/openid-configuration": {
				issuer: this.url,
				jwks_uri: `${this.url}/keys`,
				authorization_endpoint: `${this.url}/authorize`,
				token_endpoint: `${this.url}/token`,
				response_types_supported: ["id_token"],
				subject_types_supported: ["public"],
				id_token_signing_alg_values_supported: ["RS256"],
			},
			"/keys": { keys: [publicKey] },
		};
		server.on("request", (request, response) => {
			const path = request.url ?? "";
			this.requests.push(path);
			const document = documents[path];
			const { status, body } = this.answers.get(path) ?? {
				status: document === undefined ? 404 : 200,
				body: JSON.stringify(document ?? {}),
			};
			response.writeHead(status, { "content-type": "application/json" }).end(body);
		});
	}

	static async start(): Promise<OidcIssuer> {
		const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
		const server = createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		return new OidcIssuer(server, privateKey, {
			...(await exportJWK(publicKey)),
			kid: "key-1",
			alg: "RS256",
			use: "sig",
		});
	}

	/** A token for `claims`; by default it is current and signed by this issuer. */
	async token(claims: JWTPayload, options: TokenOptions = {}): Promise<string> {
		const nowS = Math.floor(Date.now() / 1000);
		const { expiresInS = 3_600 } = options;
		const token = new SignJWT(claims)
			.setProtectedHeader({ alg: "RS256", kid: options.keyId ?? "key-1" })
			.setIssuer(options.issuer ?? this.url)
			.setAudience(options.audience ?? this.audience)
			.setIssuedAt(nowS);
		if (Number.isFinite(expiresInS)) token.setExpirationTime(nowS + expiresInS);
		return await token.sign(options.key ?? this.#key);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}
}
