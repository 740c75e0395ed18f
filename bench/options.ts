/** The options of `pnpm bench`, and the sentences for wrong ones. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import type { PageCache } from "./page-cache.ts";

export interface Options {
	/** Undefined: all. */
	readonly only: readonly string[] | undefined;
	readonly rounds: number;
	readonly delaysMs: readonly number[];
	readonly caches: readonly PageCache[];
	readonly peers: boolean;
	readonly slowPeers: boolean;
	readonly quick: boolean;
}

/** Something that the caller can correct. */
export class UsageError extends Error {}

interface Option {
	readonly type: "string" | "boolean";
	readonly default: string | boolean | undefined;
	/** What follows the name. */
	readonly value?: string;
	readonly text: string;
	readonly example: string;
}

const OPTIONS: Readonly<Record<string, Option>> = {
	only: {
		type: "string",
		default: undefined,
		value: "NAME,NAME",
		text: "Run these measurements, in this order. All others keep their results.",
		example: "--only W2,W1",
	},
	rounds: {
		type: "string",
		default: "5",
		value: "N",
		text: "Rounds of each measurement, the contestants in turn.",
		example: "--rounds 3",
	},
	delay: {
		type: "string",
		default: "20",
		value: "MS,MS",
		text: "Round trips of the link to the S3 server; 0 connects without a link.",
		example: "--delay 0,20,60",
	},
	cache: {
		type: "string",
		default: "warm,cold",
		value: "warm,cold",
		text: "States of the page cache. Cold drops it before each run, and needs root.",
		example: "--cache warm",
	},
	"no-peers": {
		type: "boolean",
		default: false,
		text: "Compare with `curl | tar` only.",
		example: "--no-peers",
	},
	"slow-peers": {
		type: "boolean",
		default: false,
		text: "Also compare with peers that take minutes, once: aws s3 sync and a loop with boto3.",
		example: "--slow-peers --only W1",
	},
	quick: {
		type: "boolean",
		default: false,
		text: "A hundredth of everything in one round, within five minutes. It shows that the bench works; nothing is kept.",
		example: "--quick",
	},
	help: { type: "boolean", default: false, text: "Print this.", example: "--help" },
};

/** Undefined if help was asked for. @throws UsageError */
export function readOptions(
	args: readonly string[],
	measurements: readonly string[],
): Options | undefined {
	const values = parsed(args);
	if (values.help === true) return undefined;
	const text = (name: string) => String(values[name] ?? OPTIONS[name]?.default);
	const only = typeof values.only === "string" ? list(values.only) : undefined;
	for (const name of only ?? [])
		if (!measurements.includes(name))
			throw new UsageError(
				`no measurement is called "${name}"; choose from ${measurements.join(", ")}`,
			);
	return {
		only,
		rounds: wholeNumber("rounds", text("rounds"), 1),
		delaysMs: list(text("delay")).map((each) => wholeNumber("delay", each, 0)),
		caches: list(text("cache")).map((each) => {
			if (each === "warm" || each === "cold") return each;
			throw new UsageError(`--cache ${each}: choose warm, cold, or warm,cold`);
		}),
		peers: values["no-peers"] !== true,
		slowPeers: values["slow-peers"] === true,
		quick: values.quick === true,
	};
}

export function helpText(measurements: readonly { name: string; title: string }[]): string {
	const options = Object.entries(OPTIONS).map(([name, option]) => {
		const { value, text, example } = option;
		const standard = option.type === "string" ? ` Default: ${option.default ?? "all"}.` : "";
		return `  --${name}${value === undefined ? "" : ` ${value}`}\n      ${text}${standard}\n      Example: pnpm bench ${example}`;
	});
	const widest = Math.max(...measurements.map(({ name }) => name.length));
	return [
		"Usage: pnpm bench [OPTIONS]",
		"",
		"Measures openclaw-sidecar beside other tools, keeps the samples in bench/results and writes",
		"docs/benchmarks.md from them, as `pnpm docs:write` does. Needs a build (`pnpm build`) and a quiet machine.",
		"",
		"Options:",
		...options,
		"",
		"Measurements:",
		...measurements.map(({ name, title }) => `  ${name.padEnd(widest)}  ${title}`),
		"",
	].join("\n");
}

function parsed(args: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
	const options: NonNullable<ParseArgsConfig["options"]> = Object.fromEntries(
		Object.entries(OPTIONS).map(([name, { type }]) => [name, { type }]),
	);
	try {
		return parseArgs({ args: [...args], options }).values as Readonly<
			Record<string, string | boolean | undefined>
		>;
	} catch (error) {
		// Its first sentence says what is wrong, the others repeat how to quote.
		const [said = ""] = (error as Error).message.split(/\. |\n/);
		throw new UsageError(`${said}; \`pnpm bench --help\` lists all options`);
	}
}

const list = (text: string) => text.split(",").map((each) => each.trim());

function wholeNumber(option: string, text: string, least: number): number {
	if (/^\d{1,6}$/.test(text) && Number(text) >= least) return Number(text);
	throw new UsageError(`--${option} ${text}: give a whole number of at least ${least}`);
}
