import { generateKeyPair, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OidcIssuer } from "../../../testkit/platform/oidc-issuer.ts";
import { TokenVerifier } from "./verify-token.ts";

let issuer: OidcIssuer;
beforeAll(async () => {
	issuer = await OidcIssuer.start();
});
afterAll(async () => await issuer[Symbol.asyncDispose]());
beforeEach(() => {
	issuer.answers.clear();
	issuer.requests.length = 0;
});

const verifier = (userClaim = "sub", url = issuer.url) =>
	new TokenVerifier({ issuer: url, audience: issuer.audience, userClaim });
const refusal = (reason: RegExp) =>
	expect.objectContaining({ code: "IDENTITY_REFUSED", message: expect.stringMatching(reason) });

describe("a token", () => {
	test("of the issuer names its user, and its keys are fetched once", async () => {
		const tokens = verifier();
		expect(issuer.requests).toEqual([]);
		const nowS = Math.floor(Date.now() / 1000);
		const [first, second] = await Promise.all([
			tokens.verify(await issuer.token({ sub: "anna" })),
			tokens.verify(await issuer.token({ sub: "bob" })),
		]);
		expect([first.userId, second.userId]).toEqual(["anna", "bob"]);
		expect(first.token.expiresAtS).toBeGreaterThanOrEqual(nowS + 3_600);
		expect(issuer.requests).toEqual(["/.well-known/openid-configuration", "/keys"]);
	});

	test("names its user by the configured claim, and by no other", async () => {
		const jwt = await issuer.token({ sub: "anna", "cognito:username": "a-1" });
		expect((await verifier("cognito:username").verify(jwt)).userId).toBe("a-1");
		await expect(verifier("email").verify(jwt)).rejects.toEqual(refusal(/no claim email/));
	});

	test.each<[string, RegExp, () => Promise<string>]>([
		["that has expired", /expired/, () => issuer.token({ sub: "a" }, { expiresInS: -60 })],
		[
			"of another issuer",
			/iss/,
			() => issuer.token({ sub: "a" }, { issuer: "https://evil.example" }),
		],
		["for another audience", /aud/, () => issuer.token({ sub: "a" }, { audience: "other" })],
		["without a signature", /value not allowed/, async () => unsecured()],
		["signed with a shared secret", /value not allowed/, async () => await hmacWithPublicKey()],
		["signed with a key that is not the issuer's", /signature/, foreignKey],
		[
			"of a key the issuer does not have",
			/no applicable key/,
			() => issuer.token({ sub: "a" }, { keyId: "key-2" }),
		],
		["whose claims were changed", /signature/, tampered],
		["without a user", /no claim sub/, () => issuer.token({})],
		[
			"whose user is no text",
			/no claim sub/,
			() => issuer.token({ sub: ["a"] as unknown as string }),
		],
		[
			"that never expires",
			/exp/,
			() => issuer.token({ sub: "a" }, { expiresInS: Number.POSITIVE_INFINITY }),
		],
		["that is no token", /Compact JWS/, async () => "not.a.token.at.all"],
		["of 20,000 characters", /16384/, async () => "x".repeat(20_000)],
	])("%s is refused", async (_, reason, make) => {
		const jwt = await make();
		const error = await verifier()
			.verify(jwt)
			.catch((thrown: unknown) => thrown);
		expect(error).toEqual(refusal(reason));
		for (const part of jwt.split(".").filter(({ length }) => length > 12))
			expect(JSON.stringify([(error as Error).message, error])).not.toContain(part);
	});

	test("that expired half a minute ago is still accepted: clocks differ", async () => {
		expect(
			(await verifier().verify(await issuer.token({ sub: "a" }, { expiresInS: -20 }))).userId,
		).toBe("a");
	});

	test("never reveals itself", async () => {
		const jwt = await issuer.token({ sub: "anna" });
		const verified = await verifier().verify(jwt);
		expect(verified.token.reveal()).toBe(jwt);
		expect(JSON.stringify(verified) + String(verified.token)).not.toContain(jwt.slice(-20));
	});
});

describe("an issuer", () => {
	const keys = "/keys";
	const discovery = "/.well-known/openid-configuration";
	test.each<[string, string, { status: number; body: string }]>([
		["that is down", discovery, { status: 503, body: "" }],
		[
			"whose document is of another",
			discovery,
			{
				status: 200,
				body: JSON.stringify({ issuer: "https://other.example", jwks_uri: "https://x" }),
			},
		],
		["whose document is not JSON", discovery, { status: 200, body: "<html>" }],
		["whose keys are down", keys, { status: 500, body: "" }],
		["whose keys are none", keys, { status: 200, body: '{"keys":7}' }],
		["that sends too much", keys, { status: 200, body: `{"keys":[]${" ".repeat(300_000)}}` }],
	])(
		"%s is reported as unreachable, and asked again for the next token",
		async (_, path, answer) => {
			const tokens = verifier();
			const jwt = await issuer.token({ sub: "anna" });
			issuer.answers.set(path, answer);
			// No keys at all would be IDENTITY_REFUSED.
			await expect(tokens.verify(jwt)).rejects.toMatchObject({ code: "ISSUER_UNREACHABLE" });
			issuer.answers.clear();
			expect((await tokens.verify(jwt)).userId).toBe("anna");
		},
	);

	test("must not send its keys over the network unencrypted", async () => {
		expect(() => verifier("sub", "http://issuer.example")).toThrow(
			expect.objectContaining({ code: "USAGE" }),
		);
		issuer.answers.set(discovery, {
			status: 200,
			body: JSON.stringify({ issuer: issuer.url, jwks_uri: "http://issuer.example/keys" }),
		});
		await expect(verifier().verify(await issuer.token({ sub: "a" }))).rejects.toMatchObject({
			code: "ISSUER_UNREACHABLE",
		});
	});
});

function unsecured(): string {
	return new UnsecuredJWT({ sub: "a" })
		.setIssuer(issuer.url)
		.setAudience(issuer.audience)
		.setExpirationTime("1h")
		.encode();
}

async function hmacWithPublicKey(): Promise<string> {
	const { SignJWT } = await import("jose");
	const { keys } = (await (await fetch(`${issuer.url}/keys`)).json()) as { keys: object[] };
	return await new SignJWT({ sub: "a" })
		.setProtectedHeader({ alg: "HS256", kid: "key-1" })
		.setIssuer(issuer.url)
		.setAudience(issuer.audience)
		.setExpirationTime("1h")
		.sign(Buffer.from(JSON.stringify(keys[0])));
}

async function foreignKey(): Promise<string> {
	return await issuer.token({ sub: "a" }, { key: (await generateKeyPair("RS256")).privateKey });
}

async function tampered(): Promise<string> {
	const [header, payload = "", signature] = (await issuer.token({ sub: "anna" })).split(".");
	const claims = Buffer.from(payload, "base64url").toString().replace("anna", "bob!");
	return [header, Buffer.from(claims).toString("base64url"), signature].join(".");
}
