import { describe, expect, test } from "vitest";
import { gatewaySecret } from "./gateway-token.ts";

const variables = { OPENCLAW_GATEWAY_TOKEN: "of this boot", OTHER: "of a variable" };
const secret = (auth: unknown, more: Readonly<Record<string, string>> = {}) =>
	gatewaySecret(JSON.stringify({ gateway: { auth } }), { ...variables, ...more });
const variable = (name: string) => `\${${name}}`;

describe("the secret that the gateway requires", () => {
	test.each<[string, unknown, string | undefined]>([
		["our own, where the configuration says nothing", undefined, "of this boot"],
		[
			"our own, by reference",
			{ mode: "token", token: variable("OPENCLAW_GATEWAY_TOKEN") },
			"of this boot",
		],
		["a token of the user's own: it wins", { mode: "token", token: "onboarded" }, "onboarded"],
		["a token without a mode", { token: "onboarded" }, "onboarded"],
		["one of another variable", { token: variable("OTHER") }, "of a variable"],
		["one with a variable in it", { token: `a-${variable("OTHER")}` }, "a-of a variable"],
		["one that only looks like it", { token: `$${variable("OTHER")}` }, variable("OTHER")],
		["ours, where its variable is missing", { token: variable("MISSING") }, "of this boot"],
		[
			"a reference to a variable",
			{ token: { source: "env", provider: "default", id: "OTHER" } },
			"of a variable",
		],
		[
			"ours, where only a program of the user's knows it",
			{ token: { source: "exec", provider: "vault", id: "x" } },
			"of this boot",
		],
		["a password", { mode: "password", password: "pass" }, "pass"],
		[
			"a password without a mode, even beside a token",
			{ token: "onboarded", password: "pass" },
			"pass",
		],
		[
			"a token, if the mode says so",
			{ mode: "token", token: "onboarded", password: "pass" },
			"onboarded",
		],
		["no password, where there is none", { mode: "password" }, undefined],
		["our own, where it is nonsense", 7, "of this boot"],
		["our own, where it is null", null, "of this boot"],
	])("is %s", (_, auth, expected) => {
		expect(secret(auth)).toBe(expected);
	});

	test("is a password from the environment", () => {
		expect(secret({ mode: "password" }, { OPENCLAW_GATEWAY_PASSWORD: "env" })).toBe("env");
	});

	test("is read from a file as people write it, and is the sidecar's if the file is missing or unreadable", () => {
		expect(
			gatewaySecret("// mine\n{ gateway: { auth: { token: 'onboarded', }, }, }", variables),
		).toBe("onboarded");
		for (const text of [undefined, "", "{", "null", "7", '{"gateway":null}'])
			expect(gatewaySecret(text, variables)).toBe("of this boot");
	});
});
