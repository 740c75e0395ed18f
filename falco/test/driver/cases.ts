/**
 * The cases: what is done for each rule, and what a Falco must and must not say of it. Data in
 * falco/test/{syscall,container,cloudtrail}.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { KINDS, type Kind, rulesOf } from "./places.ts";

export interface Expected {
	/** For people. */
	readonly does: string;
	/** Default: the case's rule. */
	readonly rule?: string;
	/** As Falco names it; `<pid>` stands for a number. */
	readonly file?: string;
	/** Default 10001 for a system call; a record of CloudTrail has none. */
	readonly uid?: number;
	/** eventID of the CloudTrail record. */
	readonly event?: string;
	/** Default 1. */
	readonly count?: number;
}

export interface Case {
	readonly kind: Kind;
	/** Name of its directory. */
	readonly name: string;
	readonly rule: string;
	/** Commands without which its scripts can do nothing. */
	readonly needs: readonly string[];
	readonly as: "agent" | "root";
	readonly network: "shared" | "own";
	readonly trigger: readonly Expected[];
	/** What the innocent script does, for people. */
	readonly innocent: string;
	/** What may set the rule off without harm, for people. */
	readonly falsePositives: string;
	/** What to do about an alert, for people. */
	readonly response: string;
}

/** expected.yaml */
interface CaseFile {
	readonly rule?: string;
	readonly needs?: readonly string[];
	readonly as?: "agent" | "root";
	readonly network?: "shared" | "own";
	readonly trigger?: readonly Expected[];
	readonly innocent?: string;
	readonly false_positives?: string;
	readonly response?: string;
}

const EXPECTED_KEYS = ["does", "rule", "file", "uid", "event", "count"];
export const TEST = join(import.meta.dirname, "..");

/**
 * @throws what is wrong with a case: a file that is missing, a key that is unknown, a rule that has
 * no case
 */
export function readCases(kind: Kind): readonly Case[] {
	const root = join(TEST, kind);
	return readdirSync(root).map((name) => readCase(kind, name, join(root, name)));
}

function readCase(kind: Kind, name: string, directory: string): Case {
	const where = `falco/test/${kind}/${name}`;
	const suffix = kind === "cloudtrail" ? "json" : "sh";
	for (const file of [`trigger.${suffix}`, `innocent.${suffix}`, "expected.yaml"])
		if (!existsSync(join(directory, file))) throw new Error(`${where}: there is no ${file}`);
	const file = parse(readFileSync(join(directory, "expected.yaml"), "utf8")) as CaseFile;
	const {
		rule,
		needs = [],
		as = "agent",
		network = "shared",
		trigger = [],
		innocent,
		false_positives: falsePositives,
		response,
		...rest
	} = file;
	const [unknown] = Object.keys(rest);
	if (unknown !== undefined) throw new Error(`${where}: unknown key ${unknown}`);
	if (
		rule === undefined ||
		trigger.length === 0 ||
		innocent === undefined ||
		falsePositives === undefined ||
		response === undefined
	)
		throw new Error(`${where}: rule, trigger, innocent, false_positives and response are needed`);
	for (const expected of trigger)
		for (const key of Object.keys(expected))
			if (!EXPECTED_KEYS.includes(key)) throw new Error(`${where}: unknown key trigger.${key}`);
	return { kind, name, rule, needs, as, network, trigger, innocent, falsePositives, response };
}

/** In the order of the rules files. @throws when a rule has no case, or a case no rule */
export function casesOfAllRules(): ReadonlyMap<Kind, readonly Case[]> {
	return new Map(
		KINDS.map((kind) => {
			const cases = new Map(readCases(kind).map((one) => [one.rule, one]));
			const ordered = rulesOf(kind).map(({ rule }) => {
				const found = cases.get(rule);
				if (found === undefined)
					throw new Error(`the rule "${rule}" has no case in falco/test/${kind}`);
				cases.delete(rule);
				return found;
			});
			for (const { name, rule } of cases.values())
				throw new Error(`falco/test/${kind}/${name}: there is no rule "${rule}"`);
			return [kind, ordered] as const;
		}),
	);
}
