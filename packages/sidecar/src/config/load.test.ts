import { describe, expect, test } from "vitest";
import { SidecarError } from "../errors.ts";
import { type ConfigInput, type LoadedConfig, loadConfig } from "./load.ts";

const DEFAULT_FILE = "/home/anna/.config/openclaw-sidecar/config.json";

function load(
	input: Partial<ConfigInput> & { files?: Record<string, unknown> } = {},
): LoadedConfig {
	const files = new Map(Object.entries(input.files ?? {}));
	return loadConfig({
		flags: {},
		env: {},
		homeDir: "/home/anna",
		workingDir: "/srv",
		readFile: (path) => {
			const content = files.get(path);
			return content === undefined || typeof content === "string"
				? content
				: JSON.stringify(content);
		},
		...input,
	});
}

function failure(
	input: Parameters<typeof load>[0],
): Pick<SidecarError, "code" | "message" | "value"> {
	try {
		load(input);
	} catch (error) {
		if (error instanceof SidecarError)
			return { code: error.code, message: error.message, value: error.value };
		throw error;
	}
	throw new Error("was accepted");
}

test("values of a program are typed: durations in ms, roots as a map, with the same limits", () => {
	const roots = new Map([["notes", "/data/notes"]]);
	const flags = { drainTimeout: "1s" };
	expect(
		load({ flags, values: { drainTimeoutMs: 8_000, quietMs: undefined, roots, json: true } })
			.config,
	).toMatchObject({
		...{ drainTimeoutMs: 8_000, quietMs: 1_000, roots, json: true },
	});
	expect(failure({ values: { sweepIntervalMs: 10 } })).toMatchObject({
		...{
			code: "USAGE",
			value: "10",
			message: expect.stringContaining("option sweepIntervalMs accepts a duration from 1s to 60m"),
		},
	});
	expect(failure({ values: { drainTimeoutMs: Number.NaN } })).toMatchObject({ code: "USAGE" });
	expect(failure({ values: { roots: new Map([["Notes", "/data"]]) } })).toMatchObject({
		code: "USAGE",
	});
});

describe("defaults", () => {
	test("are complete", () => {
		expect(load()).toEqual({
			config: {
				workspace: "/home/anna/.openclaw",
				store: "file:///home/anna/.local/share/openclaw-sidecar/store",
				create: false,
				namespace: "default",
				profile: "openclaw",
				json: false,
				color: "auto",
				pager: true,
				logLevel: "info",
				stateDir: "/home/anna/.local/state/openclaw-sidecar",
				expect: "any",
				drainTimeoutMs: 8_000,
				quietMs: 1_000,
				maxDelayMs: 5_000,
				handoverWaitMs: 5_000,
				onSecret: "warn",
				turnLabels: true,
				sweepIntervalMs: 60_000,
				identity: "ambient",
				userClaim: "sub",
				roleDurationMs: 3_600_000,
				agentUrl: "http://127.0.0.1:18789",
				interruptedTurns: "resume",
				agentReadyPath: "/readyz",
				maxBody: "100MB",
				modelPort: "18787",
				metrics: false,
			},
			warnings: [],
			sources: expect.objectContaining({
				workspace: "default of --workspace",
				region: "default of --region",
			}),
			configFile: DEFAULT_FILE,
		});
	});

	test("follow the XDG base directories, which count only if absolute", () => {
		const { config } = load({ env: { XDG_DATA_HOME: "/data dir", XDG_STATE_HOME: "relative" } });
		expect(config.store).toBe("file:///data%20dir/openclaw-sidecar/store");
		expect(config.stateDir).toBe("/home/anna/.local/state/openclaw-sidecar");
	});

	test("leave out options without a default, so that the rest can be passed on", () => {
		expect(Object.keys(load().config)).not.toContain("region");
		expect(load({ flags: { region: "eu-central-1", forcePathStyle: false } }).config).toMatchObject(
			{
				region: "eu-central-1",
				forcePathStyle: false,
			},
		);
	});
});

test("comments of the config file are read over, and errors name its own lines", () => {
	const text = '// "store"\n{ "namespace": "a//b\\"/*c*/" /* one\n two */ }';
	const readFile = () => text;
	expect(() =>
		loadConfig({ flags: {}, env: {}, homeDir: "/home/anna", workingDir: "/", readFile }),
	).toThrow('a//b"/*c*/');
	const broken = () => "/* one\ntwo */ {\n  x }";
	expect(() =>
		loadConfig({ flags: {}, env: {}, homeDir: "/home/anna", workingDir: "/", readFile: broken }),
	).toThrow("(line 3 column 3)");
});

describe("precedence", () => {
	const flags = { namespace: "flag" };
	const env = { OPENCLAW_SIDECAR_NAMESPACE: "env" };
	const files = { [DEFAULT_FILE]: { namespace: "file" } };

	test.each([
		[{ flags, env, files }, "flag", "flag --namespace"],
		[{ env, files }, "env", "env OPENCLAW_SIDECAR_NAMESPACE"],
		[{ files }, "file", `file ${DEFAULT_FILE} key namespace`],
		[{}, "default", "default of --namespace"],
	])("%# is won by %s", (input, value, source) => {
		const { config, sources } = load(input);
		expect({ value: config.namespace, source: sources.namespace }).toEqual({ value, source });
	});

	test("a flag that commander left undefined does not count, and flags of a command are ignored", () => {
		expect(load({ flags: { namespace: undefined, at: "12" }, env }).config.namespace).toBe("env");
	});

	test("--no-json overrides the environment", () => {
		const env = { OPENCLAW_SIDECAR_JSON: "true" };
		expect(load({ env }).config.json).toBe(true);
		expect(load({ env, flags: { json: false } }).config.json).toBe(false);
	});
});

describe("the config file", () => {
	const files = { "/etc/sidecar.json": { workspace: "tree", drainTimeout: "2m", json: true } };

	test.each([
		[{ flags: { config: "/etc/sidecar.json" } }],
		[{ env: { OPENCLAW_SIDECAR_CONFIG: "/etc/sidecar.json" } }],
		[{ flags: { config: "../etc/sidecar.json" } }],
	])("is named by %j; its relative paths start at its directory", (input) => {
		expect(load({ ...input, files }).config).toMatchObject({
			workspace: "/etc/tree",
			drainTimeoutMs: 120_000,
			json: true,
		});
	});

	test("is read from XDG_CONFIG_HOME if none is named", () => {
		const { config } = load({
			env: { XDG_CONFIG_HOME: "/conf" },
			files: { "/conf/openclaw-sidecar/config.json": { namespace: "x" } },
		});
		expect(config.namespace).toBe("x");
	});

	test("must exist if it is named", () => {
		expect(failure({ flags: { config: "none.json" } })).toMatchObject({
			code: "USAGE",
			message: expect.stringContaining(
				"/srv/none.json: flag --config names a file that does not exist",
			),
		});
	});

	test.each([
		["{", "is not JSON"],
		["[]", "must hold one JSON object"],
		["null", "must hold one JSON object"],
		[
			'{"drainTimeoutMs": "8s"}',
			"drainTimeoutMs: file /f.json has no such key; did you mean drainTimeout?",
		],
		['{"config": "/other.json"}', "config: file /f.json has no such key"],
		['{"__proto__": {"json": true}}', "__proto__: file /f.json has no such key"],
		[
			'{"drainTimeout": 8000}',
			"8000: file /f.json key drainTimeout accepts a duration from 0ms to 60m",
		],
		['{"json": 1}', "1: file /f.json key json accepts true or false"],
		['{"region": null}', "null: file /f.json key region accepts"],
	])("%s: %s", (text, message) => {
		expect(failure({ flags: { config: "/f.json" }, files: { "/f.json": text } })).toMatchObject({
			code: "USAGE",
			message: expect.stringContaining(message),
		});
	});

	test("reports why it cannot be read", () => {
		const readFile = () => {
			throw new Error("EACCES: permission denied");
		};
		expect(failure({ flags: { config: "/f.json" }, readFile }).message).toContain(
			"cannot be read (EACCES: permission denied)",
		);
	});
});

describe("a wrong value is reported with its source", () => {
	test.each([
		[
			{ flags: { expect: "exsting" } },
			"USAGE",
			"exsting: flag --expect accepts new, existing or any; did you mean existing?",
		],
		[
			{ env: { OPENCLAW_SIDECAR_LOG_LEVEL: "loud" } },
			"USAGE",
			"loud: env OPENCLAW_SIDECAR_LOG_LEVEL accepts debug,",
		],
		[{ env: { OPENCLAW_SIDECAR_STORE: "" } }, "USAGE", '"": env OPENCLAW_SIDECAR_STORE is empty'],
		[
			{ flags: { namespace: "a/b" } },
			"NAMESPACE_INVALID",
			"a/b: flag --namespace accepts 1-128 characters",
		],
		[{ flags: { namespace: ".." } }, "NAMESPACE_INVALID", "..: flag --namespace"],
		[{ flags: { namespace: "a\0b" } }, "NAMESPACE_INVALID", "a\\u0000b: flag --namespace"],
		[{ flags: { namespace: "a\n" } }, "NAMESPACE_INVALID", "a\\u000a: flag --namespace"],
		[{ flags: { namespace: "" } }, "NAMESPACE_INVALID", '"": flag --namespace'],
		[{ flags: { namespace: "x".repeat(129) } }, "NAMESPACE_INVALID", "flag --namespace"],
		[
			{ flags: { store: "http://bucket" } },
			"STORE_URL_INVALID",
			"http://bucket: flag --store accepts file:///absolute/dir or s3://",
		],
		[{ flags: { store: "s3://" } }, "STORE_URL_INVALID", "s3://: flag --store"],
		[{ flags: { store: "file://host/dir" } }, "STORE_URL_INVALID", "flag --store"],
		[{ flags: { store: "file:///a%2Fb" } }, "STORE_URL_INVALID", "flag --store"],
		[{ flags: { workspace: "~bob/tree" } }, "USAGE", "~bob/tree: flag --workspace accepts a path"],
		[{ flags: { workspace: "" } }, "USAGE", '"": flag --workspace accepts a path'],
		[{ flags: { workspace: "a\0b" } }, "USAGE", "a\\u0000b: flag --workspace accepts a path"],
		[
			{ flags: { drainTimeout: "8" } },
			"USAGE",
			"8: flag --drain-timeout accepts a duration from 0ms to 60m, such as 500ms, 8s or 2m",
		],
		[{ flags: { drainTimeout: "61m" } }, "USAGE", "61m: flag --drain-timeout accepts"],
		[{ flags: { drainTimeout: "-1s" } }, "USAGE", "-1s: flag --drain-timeout accepts"],
		[
			{ flags: { sweepInterval: "10ms" } },
			"USAGE",
			"10ms: flag --sweep-interval accepts a duration from 1s to 60m",
		],
		[
			{ flags: { endpoint: "localhost:9000" } },
			"USAGE",
			"localhost:9000: flag --endpoint accepts http://host[:port]",
		],
		[{ flags: { sse: "kms" } }, "USAGE", "kms: flag --sse accepts AES256, aws:kms or aws:kms:dsse"],
		[
			{ flags: { quietPeriod: "6s" } },
			"USAGE",
			"5000ms: default of --max-delay is less than the quiet period of 6000ms (flag --quiet-period)",
		],
		[
			{ flags: { stateDir: "~/.openclaw/state" } },
			"STATE_DIR_UNUSABLE",
			"flag --state-dir is inside the workspace /home/anna/.openclaw (default of --workspace)",
		],
		[
			{ flags: { store: "file:///w/store", workspace: "/w" } },
			"USAGE",
			"file:///w/store: flag --store is inside the workspace /w",
		],
		[{ flags: { store: "file:///w", workspace: "/w" } }, "USAGE", "is inside the workspace"],
		[
			{ flags: { store: "file:///s", workspace: "/s/w" } },
			"USAGE",
			"/s/w: flag --workspace is inside the store file:///s (flag --store)",
		],
	] as const)("%j", (input, code, message) => {
		expect(failure(input)).toMatchObject({ code, message: expect.stringContaining(message) });
	});

	test.each([
		{ store: "s3://key:S3CRET@bucket/prefix" },
		{ store: "https://key:S3CRET@host/bucket" },
		{ endpoint: "https://key:S3CRET@host" },
		{ endpoint: "https://host/?X-Amz-Signature=S3CRET" },
	])("without repeating credentials: %j", (flags) => {
		const { message, value } = failure({ flags });
		expect(message + value).not.toContain("S3CRET");
		expect(value).toContain("***");
	});
});

test.each([
	["~", "/home/anna"],
	["~/x/../y", "/home/anna/y"],
	["../tree", "/tree"],
	["/abs/./tree/", "/abs/tree"],
	["..name", "/srv/..name"],
])("workspace %s is %s", (workspace, absolute) => {
	expect(
		load({ flags: { workspace, stateDir: "/state", store: "file:///store" } }).config.workspace,
	).toBe(absolute);
});

test.each([
	["0ms", 0],
	["500ms", 500],
	["1.5s", 1_500],
	["2m", 120_000],
])("drain timeout %s is %d ms", (drainTimeout, ms) => {
	expect(load({ flags: { drainTimeout } }).config.drainTimeoutMs).toBe(ms);
});

test("names next to a directory are not inside it", () => {
	expect(() =>
		load({ flags: { workspace: "/w", store: "file:///w-store", stateDir: "/w2" } }),
	).not.toThrow();
});

test("warns of variables that are not options, with a suggestion", () => {
	const env = {
		OPENCLAW_SIDECAR_NAMESPCE: "anna",
		OPENCLAW_SIDECAR_ZZZZZZ: "",
		OPENCLAW_HOME: "/x",
		OPENCLAW_SIDECAR_CONFIG: "/f",
	};
	expect(load({ env, files: { "/f": {} } }).warnings).toEqual([
		"env OPENCLAW_SIDECAR_NAMESPCE is not an option and has no effect; did you mean OPENCLAW_SIDECAR_NAMESPACE?",
		"env OPENCLAW_SIDECAR_ZZZZZZ is not an option and has no effect",
	]);
});

describe("additional roots", () => {
	const expected = new Map([
		["notes", "/data/notes"],
		["code.1", "/home/anna/code"],
	]);
	const object = { notes: "/data/./notes/", "code.1": "~/code" };
	const list = "notes=/data/notes,code.1=~/code";

	test.each([
		["flags", { flags: { root: ["notes=/data/notes", "code.1=~/code"] } }],
		["an object", { flags: { root: object } }],
		["the environment", { env: { OPENCLAW_SIDECAR_ROOT: list } }],
		["the environment, in JSON", { env: { OPENCLAW_SIDECAR_ROOT: JSON.stringify(object) } }],
		["the file", { files: { [DEFAULT_FILE]: { root: object } } }],
		["the file, as a list", { files: { [DEFAULT_FILE]: { root: list } } }],
	])("from %s", (_, input) => {
		expect(load(input).config.roots).toEqual(expected);
	});

	test("a flag's directory may contain the separator of a list", () => {
		expect(load({ flags: { root: ["a=/x,b=/y"] } }).config.roots).toEqual(
			new Map([["a", "/x,b=/y"]]),
		);
	});

	test.each([
		["notes"],
		["=/x"],
		["notes="],
		["notes=relative"],
		["notes=~bob/x"],
		["Notes=/x"],
		[".x=/x"],
		["a/b=/x"],
		["..=/x"],
		[`${"n".repeat(65)}=/x`],
		["a=/x,a=/y"],
		["a=/x,"],
		["a=/x\0"],
		['{"a": 1}'],
		['{"a"'],
	])("%j is refused", (value) => {
		expect(failure({ env: { OPENCLAW_SIDECAR_ROOT: value } })).toMatchObject({
			code: "USAGE",
			message: expect.stringContaining("OPENCLAW_SIDECAR_ROOT accepts NAME=DIR"),
		});
	});
});
