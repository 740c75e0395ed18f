/** The verdicts alone, for findings that cannot be produced on a test machine. */
import { describe, expect, test } from "vitest";
import { ERRORS } from "../../errors.ts";
import { type Check, ok, runChecks } from "./check.ts";
import { classifySpace } from "./disk-checks.ts";
import { explain } from "./explain.ts";
import { classifyInotify, classifyNode } from "./machine-checks.ts";
import { type DoctorContext, PROBE, requireDecided } from "./patient.ts";
import { PLATFORM_CODES } from "./platform-codes.ts";
import { classifyRace } from "./race-check.ts";
import { classifyClock, classifyCredentials, classifyForbidden } from "./store-checks.ts";

const MINUTE = 60_000;

describe("verdicts", () => {
	test.each([
		["Node 24", classifyNode("v24.22.3"), "ok"],
		["a later Node 24", classifyNode("v24.23.0"), "ok"],
		["Node 25, of which nothing is known", classifyNode("v25.1.0"), "ok"],
		["Node 26", classifyNode("v26.12.1"), "ok"],
		["Node 24 without its last patch", classifyNode("v24.22.2"), "warning"],
		["an old Node 24", classifyNode("v24.0.9"), "warning"],
		["Node 26 without security fixes", classifyNode("v26.11.4"), "warning"],
		["Node 22", classifyNode("v22.19.0"), "problem"],
		["a clock that is right", classifyClock(1_500), "ok"],
		["a clock 6 min ahead", classifyClock(6 * MINUTE), "warning"],
		["a clock 16 min behind", classifyClock(-16 * MINUTE), "problem"],
		["a clock nobody can compare", classifyClock(undefined), "not-tested"],
		[
			"a role's credentials",
			classifyCredentials({ source: "x", isTemporary: true, expiresMs: 60 * MINUTE }, 0),
			"ok",
		],
		[
			"credentials about to end",
			classifyCredentials({ source: "x", isTemporary: true, expiresMs: 2 * MINUTE }, 0),
			"warning",
		],
		[
			"credentials that ended",
			classifyCredentials({ source: "x", isTemporary: true, expiresMs: 0 }, MINUTE),
			"problem",
		],
		[
			"credentials that never end",
			classifyCredentials({ source: "x", isTemporary: false, expiresMs: undefined }, 0),
			"warning",
		],
		["room", classifySpace("/", { freeBytes: 1e12, freeInodes: 1e6, inodes: 1e7 }), "ok"],
		[
			"room without a count of inodes",
			classifySpace("/", { freeBytes: 1e12, freeInodes: 0, inodes: 0 }),
			"ok",
		],
		[
			"little room",
			classifySpace("/", { freeBytes: 1e8, freeInodes: 1e6, inodes: 1e7 }),
			"warning",
		],
		["no room", classifySpace("/", { freeBytes: 1e6, freeInodes: 1e6, inodes: 1e7 }), "problem"],
		["no inodes", classifySpace("/", { freeBytes: 1e12, freeInodes: 5, inodes: 1e7 }), "problem"],
		[
			"watches enough",
			classifyInotify({ watches: 8_192, queuedEvents: 16_384, instances: 128 }, 4_096),
			"ok",
		],
		[
			"too few watches",
			classifyInotify({ watches: 8_192, queuedEvents: 16_384, instances: 128 }, 4_097),
			"warning",
		],
		[
			"a short queue",
			classifyInotify({ watches: 8_192, queuedEvents: 1_024, instances: 128 }, 1),
			"warning",
		],
		[
			"few instances",
			classifyInotify({ watches: 8_192, queuedEvents: 16_384, instances: 4 }, 1),
			"warning",
		],
		["both denied", classifyForbidden({ kind: "denied" }, { kind: "denied" }), "ok"],
		["delete allowed", classifyForbidden({ kind: "denied" }, { kind: "allowed" }), "warning"],
		[
			"overwrite unclear",
			classifyForbidden({ kind: "unclear", reason: "x" }, { kind: "denied" }),
			"warning",
		],
	] as const)("%s", (_, outcome, status) => {
		expect(outcome.status).toBe(status);
		if (outcome.status === "warning" || outcome.status === "problem")
			expect(outcome.remedy).not.toBe("");
	});
});

test("all checks run, an exception is a problem, and checks that need a failed one are not tested", async () => {
	const fine: Check = { name: "fine", look: () => ok("x") };
	const broken: Check = {
		name: "broken",
		look: () => {
			throw new Error("made up");
		},
	};
	const after: Check = { name: "after", needs: [broken], look: () => ok("x") };
	const results = await runChecks(
		[fine, broken, after, { ...fine, name: "last" }],
		{} as DoctorContext,
	);
	expect(results.map(({ name, status }) => [name, status])).toEqual([
		["fine", "ok"],
		["broken", "problem"],
		["after", "not-tested"],
		["last", "ok"],
	]);
	expect(results[1]).toMatchObject({ code: "INTERNAL" });
});

test("the probe is 28 bytes that never change, under the key of a pack", () => {
	expect(PROBE.key).toBe("packs/ada5be2ddf9655102870d12352e66b63bac33f951269ba2f7cb1fa5568ba4743");
	expect(PROBE.bytes.length).toBe(28);
	expect(() => requireDecided({ kind: "unknown", cause: new Error("gone") })).toThrow(
		expect.objectContaining({ code: "STORE_UNREACHABLE" }),
	);
});

describe("explain", () => {
	test.each([...Object.keys(ERRORS), ...PLATFORM_CODES.map(({ code }) => code)])(
		"%s, alone and in a message",
		(code) => {
			for (const text of [code, `error [${code}] something: else`, `{"code":"${code}"}`])
				expect(explain(text)[0].code).toBe(code);
		},
	);

	test.each([
		["An error occurred (AccessDenied) when calling the PutObject operation", ["S3.AccessDenied"]],
		["ENILimitReachedException: the account's limit is reached", ["Lambda.ENILimitExceeded"]],
		[
			"Runtime initialization time exceeded. Please make sure that initialization completes in 120s.",
			["AgentCore.ProvisioningTimeout"],
		],
		[
			"first NOT_DURABLE, then iam.validationerror and NOT_DURABLE again",
			["NOT_DURABLE", "IAM.ValidationError"],
		],
	])("%s", (text, codes) => {
		expect(explain(text).map(({ code }) => code)).toEqual(codes);
	});

	test.each(["", "STORE_ACCESS", "XNOT_DURABLE", "all is well"])(
		"%s contains no code: USAGE",
		(text) => {
			expect(() => explain(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
		},
	);
});

describe("a race for one object", () => {
	const rest = Array.from({ length: 4 }, () => "exists" as const);
	test.each([
		["one that wins and stays", { outcomes: ["created", ...rest], stayed: 0 }, undefined],
		[
			"one that wins among answers in doubt",
			{ outcomes: ["unknown", "created", "unknown"], stayed: 1 },
			undefined,
		],
		[
			"none that says so, but one of those in doubt stayed",
			{ outcomes: ["unknown", "exists", "unknown"], stayed: 2 },
			undefined,
		],
		["two that win", { outcomes: ["created", "created", ...rest], stayed: 1 }, "STORE_UNSUPPORTED"],
		[
			"a winner whose object another one's replaced",
			{ outcomes: ["created", "unknown", ...rest], stayed: 1 },
			"STORE_UNSUPPORTED",
		],
		[
			"a winner whose object is not there",
			{ outcomes: ["created", ...rest], stayed: -1 },
			"STORE_UNSUPPORTED",
		],
		[
			"a refused one that stayed",
			{ outcomes: ["exists", ...rest], stayed: 0 },
			"STORE_UNSUPPORTED",
		],
		["none at all", { outcomes: ["unknown", ...rest], stayed: -1 }, "STORE_UNREACHABLE"],
	] as const)("with %s", (_, { outcomes, stayed }, code) => {
		const verdict = classifyRace({ key: "packs/x", outcomes, stayed });
		expect(verdict === undefined ? undefined : "code" in verdict ? verdict.code : verdict).toBe(
			code,
		);
	});
});
