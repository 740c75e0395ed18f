import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentEnvironment } from "./agent-environment.ts";

/**
 * Variables by which the SDK and the platform prove a machine's identity, and the sidecar's own.
 */
const SECRETS = [
	"AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"AWS_SECURITY_TOKEN",
	"AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_ROLE_ARN",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_PROFILE",
	"AWS_SHARED_CREDENTIALS_FILE",
	"AWS_BEARER_TOKEN_BEDROCK",
	"OPENCLAW_SIDECAR_STORE",
	"OPENCLAW_SIDECAR_API_KEY",
];

describe("the agent's environment", () => {
	it("has what a program needs, its location, and what its models need", () => {
		const kept = {
			PATH: "/bin",
			HOME: "/h",
			LC_ALL: "C",
			AWS_REGION: "eu-central-1",
			OPENCLAW_HOME: "/h",
			OPENAI_API_KEY: "k",
			MY_BASE_URL: "u",
		};
		expect(agentEnvironment({ ...kept, GITHUB_TOKEN: "canary", FOO: "1" })).toEqual({
			env: kept,
			withheld: ["FOO", "GITHUB_TOKEN"],
		});
	});

	it("also has what the operator names, by name or by prefix", () => {
		const { env } = agentEnvironment({ FOO: "1", BAR_X: "2", BARX: "3" }, ["FOO", "BAR_*"]);
		expect(env).toEqual({ FOO: "1", BAR_X: "2" });
	});

	it("never has the sidecar's configuration or proofs of identity, whatever the operator allows", () => {
		const name = fc.oneof(
			fc.constantFrom(...SECRETS),
			fc.string({ maxLength: 8 }).map((rest) => `AWS_X${rest}`),
			fc.string({ maxLength: 8 }).map((rest) => `OPENCLAW_SIDECAR_${rest}_API_KEY`),
		);
		fc.assert(
			fc.property(
				fc.array(name),
				fc.array(fc.oneof(name, fc.constantFrom("*", "AWS_*", "OPENCLAW_*", "*KEY"))),
				(names, also) => {
					const { env } = agentEnvironment(
						Object.fromEntries(names.map((each) => [each, "canary"])),
						also,
					);
					expect(env).toEqual({});
				},
			),
		);
	});

	it("drops nothing without reporting it", () => {
		fc.assert(
			fc.property(fc.dictionary(fc.string(), fc.string()), (from) => {
				const { env, withheld } = agentEnvironment(from);
				expect([...Object.keys(env), ...withheld].sort()).toEqual(Object.keys(from).sort());
			}),
		);
	});
});
