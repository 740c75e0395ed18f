import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findSecrets } from "./find.ts";
import { SECRET_KINDS, TOKEN_KINDS } from "./kinds.ts";

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/**
 * Letters and digits, the same in every run, that no secret scanner of this repository could
 * report.
 */
const some = (length: number, from = letters) =>
	Array.from({ length }, (_, i) => from[(i * 7 + 3) % from.length]).join("");

/** Generated here, and in halves, so that this file contains no secret. */
const SAMPLES: readonly (readonly [kind: string, secret: string])[] = [
	["aws-access-key-id", `AKIA${some(16, "ABCDEFGHIJKLMNOP234567")}`],
	["aws-access-key-id", `ASIA${some(16, "ABCDEFGHIJKLMNOP234567")}`],
	["aws-secret-access-key", `AWS_SECRET_ACCESS_KEY=${some(20)}/+${some(18)}`],
	["aws-secret-access-key", `aws_secret_access_key = ${some(40)}`],
	["github-token", `ghp_${some(36)}`],
	["github-token", `ghs_${some(36)}`],
	["github-token", `github_pat_${some(22)}_${some(59)}`],
	["gitlab-token", `glpat-${some(20)}`],
	["slack-token", `xoxb-${some(12, "0123456789")}-${some(12, "0123456789")}-${some(24)}`],
	["anthropic-key", `sk-ant-api03-${some(93)}AA`],
	["openrouter-key", `sk-or-v1-${some(64, "0123456789abcdef")}`],
	["openai-key", `sk-proj-${some(40)}_${some(40)}`],
	["openai-key", `sk-${some(48)}`],
	["stripe-key", `sk_live_${some(24)}`],
	["stripe-key", `rk_test_${some(24)}`],
	["google-api-key", `AIza${some(35)}`],
	["google-oauth-secret", `GOCSPX-${some(28)}`],
	["npm-token", `npm_${some(36)}`],
	["pypi-token", `pypi-AgE${some(80)}`],
	["huggingface-token", `hf_${some(34)}`],
	["telegram-bot-token", `123456789:AA${some(33)}`],
	["jwt", `eyJ${some(17)}.eyJ${some(40)}.${some(43)}`],
	[
		"private-key",
		`-----BEGIN RSA PRIVATE KEY-----\n${some(64)}\n${some(64)}\n-----END RSA PRIVATE KEY-----`,
	],
	["private-key", `-----BEGIN PRIVATE KEY-----\\n${some(64)}`],
	["private-key", `-----BEGIN OPENSSH PRIVATE KEY-----\r\n${some(70)}`],
	["private-key", `-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n${some(64)}`],
	["assigned-secret", `client_secret: "${some(32)}"`],
];

const kindsIn = (text: string) => findSecrets(Buffer.from(text)).map(({ kind }) => kind);

test("every kind has a sample", () => {
	expect([...new Set(SAMPLES.map(([kind]) => kind))].sort()).toEqual([...SECRET_KINDS].sort());
});

describe.each(SAMPLES)("%s (sample %#)", (kind, secret) => {
	test.each([
		["alone", secret],
		["in prose", `the value is ${secret} and that of the others is not\n`],
		["in quotes", `{"text":"${secret}"}`],
		["behind an escaped line end", `{"text":"first\\n${secret}\\nlast"}`],
		["behind an escaped character", `{"text":"\\u000a${secret}"}`],
		["in a URL", `https://user@host/${secret}?`],
	])("%s", (_, text) => {
		expect(kindsIn(text)).toEqual([kind]);
	});

	test("is found anywhere in a text without secrets, and nothing else is", () => {
		fc.assert(
			fc.property(
				fc.nat(400),
				fc.nat(400),
				fc.constantFrom(" ", "-word ", "internationalization_of "),
				(before, after, filler) => {
					const text = `${filler.repeat(before)}\n${secret}\n${filler.repeat(after)}`;
					const [found, ...rest] = findSecrets(Buffer.from(text));
					expect(rest).toEqual([]);
					expect(found?.kind).toBe(kind);
					expect(secret).toContain(text.slice(found?.start, found?.end));
				},
			),
			{ numRuns: 25 },
		);
	});
});

describe("is not a secret:", () => {
	test.each([
		["a key's name", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"],
		["a key's beginning", "keys begin with AKIA, ghp_ or sk-ant-api03-"],
		["a key id with a digit too many", `AKIA${some(17, "ABCDEFGH")}`],
		["a key id in a longer word", `xAKIA${some(16, "ABCDEFGH")}`],
		[
			"code that looks for keys",
			'if (text.includes("-----BEGIN PRIVATE KEY-----")) throw new Error("no");',
		],
		["a public key", `-----BEGIN PUBLIC KEY-----\n${some(64)}`],
		["a certificate", `-----BEGIN CERTIFICATE-----\n${some(64)}`],
		["a UUID that is called a token", '"token":"0c84fb90-12c4-11e1-840d-7b25c5ee775a"'],
		["a hash that is called a secret", `secret: ${some(64, "0123456789abcdef")}`],
		["a random value without a name", `"id":"${some(40)}"`],
		["a variable that is assigned to a secret", "secret = configurationOfTheOperatorsEnvironment"],
		["a slug", "sk-learn-is-a-library-for-machine-learning-in-python"],
		["a path", "/usr/lib/node_modules/openclaw/dist/configuration-operations-20260101.js"],
		["a URL's query", "https://example.org/a?pageToken=next-page-of-the-listing-00000000"],
		["a time in place of a bot's id", `12:30:AA${some(33)}`],
	])("%s", (_, text) => {
		expect(kindsIn(text)).toEqual([]);
	});
});

test("a secret at any offset of a chunk full of token bytes costs no more than the chunk's length", () => {
	// A megabyte of the closest near-match for each pattern: a pattern that backtracks over it would
	// take minutes.
	for (const { starts } of TOKEN_KINDS) {
		for (const start of starts) {
			for (const text of [
				start.repeat(350_000),
				`${start}${"a".repeat(500)} `.repeat(2_000),
				`${start}eyJ.`.repeat(150_000),
			]) {
				findSecrets(Buffer.from(text));
			}
		}
	}
	for (const text of [
		"-----BEGIN PRIVATE KEY-----",
		"PRIVATE KEY",
		`secret${" ".repeat(40)}=`,
		"token:",
		"1234567890:AA",
	]) {
		findSecrets(Buffer.from(text.repeat(Math.ceil(1_000_000 / text.length))));
	}
});

test("accepts any bytes", () => {
	fc.assert(
		fc.property(
			fc.uint8Array({ maxLength: 300 }),
			(bytes) => findSecrets(Buffer.from(bytes)).length >= 0,
		),
	);
});
