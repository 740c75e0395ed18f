import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LOG_LEVELS as LOGGER_LEVELS } from "../telemetry/logger.ts";
import { configurationDocument, exampleConfigFile } from "./document.ts";
import { loadConfig } from "./load.ts";
import {
	commandLineOptions,
	envOf,
	fileKeyOf,
	flagOf,
	LOG_LEVELS,
	OPTION_LIST,
} from "./options.ts";

const input = { homeDir: "/home/anna", workingDir: "/work", readFile: () => undefined };

describe("names", () => {
	test("are spelled from one", () => {
		const option = { name: "drain-timeout" };
		expect([flagOf(option), envOf(option), fileKeyOf(option)]).toEqual([
			"--drain-timeout",
			"OPENCLAW_SIDECAR_DRAIN_TIMEOUT",
			"drainTimeout",
		]);
	});

	test("are words of lower-case letters, each given once", () => {
		const names = OPTION_LIST.map(([, option]) => option.name);
		for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
		expect(new Set(names).size).toBe(names.length);
	});
});

test.each(OPTION_LIST)(
	"%s: its example is accepted as flag, in the environment and in the file",
	(key, option) => {
		// A key is valid only with its kind of encryption.
		const store = {
			OPENCLAW_SIDECAR_STORE: "s3://bucket",
			...(key === "sseKmsKeyId" && { OPENCLAW_SIDECAR_SSE: "aws:kms" }),
		};
		const fileText = JSON.stringify({ [fileKeyOf(option)]: option.example });
		const text =
			typeof option.example === "object" ? JSON.stringify(option.example) : String(option.example);
		const values = [
			loadConfig({ ...input, env: store, flags: { [fileKeyOf(option)]: option.example } }),
			loadConfig({ ...input, env: { ...store, [envOf(option)]: text }, flags: {} }),
			loadConfig({
				...input,
				env: key === "store" ? {} : store,
				flags: { config: "/f" },
				readFile: () => fileText,
			}),
		].map(({ config }) => config[key]);
		expect(values[0]).toBeDefined();
		for (const value of values) expect(value).toStrictEqual(values[0]);
	},
);

test("the example config file is accepted", () => {
	const { config, sources } = loadConfig({
		...input,
		env: {},
		flags: { config: "/etc/f.json" },
		readFile: exampleConfigFile,
	});
	expect(config).toMatchObject({
		store: "s3://my-bucket/agents",
		namespace: "anna",
		drainTimeoutMs: 20_000,
	});
	expect(Object.values(sources).filter((source) => source.startsWith("default"))).toEqual([]);
});

test("the command line has every option, and switches can be undone", () => {
	const switches = OPTION_LIST.filter(([, { kind }]) => kind.placeholder === undefined);
	const flags = commandLineOptions().map((option) => option.flags);
	expect(flags).toContain("--config <FILE>");
	expect(flags).toContain("--profile <openclaw|plain>");
	expect(flags).toContain("--drain-timeout <DURATION>");
	expect(flags).toEqual(
		expect.arrayContaining(["--json", "--no-json", "--force-path-style", "--no-force-path-style"]),
	);
	expect(flags).toHaveLength(OPTION_LIST.length + 1 + switches.length);
});

test("the levels offered are those of the logger", () => {
	expect(LOG_LEVELS).toEqual(LOGGER_LEVELS);
});

test("docs/configuration.md is up to date; `pnpm docs:write` writes it", () => {
	const written = readFileSync(
		new URL("../../../../docs/configuration.md", import.meta.url),
		"utf8",
	);
	expect(written).toBe(configurationDocument());
});
