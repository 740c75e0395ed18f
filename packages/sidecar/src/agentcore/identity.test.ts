import { describe, expect, test } from "vitest";
import { OidcIssuer } from "../../../testkit/platform/oidc-issuer.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { type IdentityOptions, identityStrategy } from "./identity.ts";

const base: IdentityOptions = {
	strategy: "ambient",
	namespace: "default",
	token: undefined,
	roleArn: undefined,
	roleDurationS: 3600,
	bucket: { bucket: "b", prefix: "" },
	logger: silentLogger,
};
const nobody = { authorization: undefined, payloadToken: undefined };

describe("identity", () => {
	test("without an issuer is the configured namespace, whatever a request contains", async () => {
		const { identify } = identityStrategy(base);
		expect(await identify({ authorization: "Bearer e30.e30.", payloadToken: "x" })).toEqual({
			namespace: "default",
			token: undefined,
		});
	});

	test("with an issuer is the token's user, under every strategy; the header wins over the payload", async () => {
		await using issuer = await OidcIssuer.start();
		const token = { issuer: issuer.url, audience: issuer.audience, userClaim: "sub" };
		const anna = await issuer.token({ sub: "auth0|anna" });
		const bob = await issuer.token({ sub: "bob" });
		for (const strategy of ["web-identity", "assume-role", "ambient"] as const) {
			const { identify } = identityStrategy({
				...base,
				strategy,
				token,
				roleArn: "arn:aws:iam::1:role/r",
			});
			expect(
				(await identify({ authorization: `bearer ${anna}`, payloadToken: bob })).namespace,
			).toBe("auth0=7Canna");
			expect(
				(await identify({ authorization: "AWS4-HMAC-SHA256 x", payloadToken: bob })).namespace,
			).toBe("bob");
			await expect(identify(nobody)).rejects.toMatchObject({ code: "IDENTITY_REFUSED" });
		}
	});

	test("of a strategy with missing settings is refused, naming them", () => {
		const token = { issuer: "https://issuer.example", audience: "a", userClaim: "sub" };
		expect(() => identityStrategy({ ...base, strategy: "web-identity" })).toThrow(/--issuer/);
		expect(() => identityStrategy({ ...base, strategy: "web-identity", token })).toThrow(
			/--role-arn/,
		);
		expect(() => identityStrategy({ ...base, strategy: "assume-role" })).toThrow(/--role-arn/);
		expect(
			identityStrategy(base).credentials({ namespace: "anna", token: undefined }),
		).toBeUndefined();
	});
});
