/**
 * The two credentials that open a provider. Neither leaves this process, except in the headers of a
 * request to the provider.
 */
import type { RenewingCredentials } from "../agentcore/renewing-credentials.ts";
import { SidecarError } from "../errors.ts";
import type { Route, Upstream } from "./upstream.ts";

export interface ToAuthorize {
	readonly route: Route;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: Buffer;
}

export interface Authorized {
	readonly headers: Readonly<Record<string, string>>;
	/** For a request that was refused because its credential has ended; undefined: no use. */
	readonly renew?: () => Promise<void>;
}

export interface ModelCredential {
	/** @throws SidecarError no credential is available */
	authorize(request: ToAuthorize): Promise<Authorized>;
}

export type SessionCredentials = Pick<RenewingCredentials, "generation" | "provide" | "renewAfter">;

/** Signs for Amazon Bedrock with the credentials of one user's session. */
export function signedBy(
	credentials: SessionCredentials,
	{ service, region }: NonNullable<Upstream["signing"]>,
): ModelCredential {
	const makeSigner = async () => {
		const { Sha256Node, SignatureV4 } = await import("./signature.ts");
		return new SignatureV4({
			credentials: async () => await credentials.provide(),
			region,
			service,
			sha256: Sha256Node,
		});
	};
	let signer: ReturnType<typeof makeSigner> | undefined;
	return {
		async authorize({ route: { url }, headers, body }) {
			signer ??= makeSigner();
			await credentials.provide();
			const { generation } = credentials;
			const { headers: signed } = await (await signer).sign({
				method: "POST",
				protocol: url.protocol,
				hostname: url.hostname,
				path: url.pathname,
				query: {},
				headers: { ...headers, host: url.host },
				body,
			});
			return {
				headers: signed,
				renew: async () => await credentials.renewAfter(generation),
			};
		},
	};
}

/** @param read called for each request, so that a file can be replaced; undefined: no key needed */
export function keyOf(read: (() => string) | undefined): ModelCredential {
	return {
		async authorize({ route, headers }) {
			const key = read?.();
			if (key === undefined) return { headers };
			// Only what a header can hold: Node's error would quote the value.
			if (!/^[\x21-\x7e]+$/.test(key))
				throw new SidecarError("USAGE", { value: "--model-key", reason: "this is not a key" });
			const name = route.api === "anthropic-messages" ? "x-api-key" : "authorization";
			return { headers: { ...headers, [name]: name === "x-api-key" ? key : `Bearer ${key}` } };
		},
	};
}
