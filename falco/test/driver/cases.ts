/**
 * The test cases: what is done for each rule, and which alerts Falco must and must not raise. The
 * data is in falco/test/{syscall,container,cloudtrail}.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { KINDS, type Kind, rulesOf } from "./places.ts";

export interface Expected {
	/** A readable description. */
	readonly does: string;
	/** Default: the case's rule. */
	readonly rule?: string;
	/** As Falco prints it; `<pid>` stands for a number. */
	readonly file?: string;
	/** Default 10001 for a system call; a CloudTrail record has none. */
	readonly uid?: number;
	/** eventID of the CloudTrail record. */
	readonly event?: string;
	/** Default 1. */
	readonly count?: number;
}

/** What is done for a case, in this order. */
export const WAYS = ["innocent", "trigger", "evasion"] as const;
export type Way = (typeof WAYS)[number];

const BENIGN = ["unlikely", "possible", "likely"] as const;
export type Benign = (typeof BENIGN)[number];

export interface Case {
	readonly kind: Kind;
	/** The name of its directory. */
	readonly name: string;
	readonly rule: string;
	/** Commands that its scripts need. */
	readonly needs: readonly string[];
	readonly as: "agent" | "root";
	readonly network: "shared" | "own";
	/** Falco's own rules that alert on the innocent script. */
	readonly beside: readonly string[];
	readonly trigger: readonly Expected[];
	/** Other ways to do the same, which an attacker would try first. Empty: there is no script. */
	readonly evasion: readonly Expected[];
	/** A readable description of the innocent script. */
	readonly innocent: string;
	/** How likely an alert has a harmless cause. */
	readonly benign: Benign;
	/** A readable list of harmless causes of an alert. */
	readonly falsePositives: string;
	/** A readable list of what the rule cannot see. */
	readonly unseen: string;
	/** A readable response to an alert. */
	readonly response: string;
}

/** expected.yaml */
interface CaseFile {
	readonly rule?: string;
	readonly needs?: readonly string[];
	readonly as?: "agent" | "root";
	readonly network?: "shared" | "own";
	readonly beside?: readonly string[];
	readonly trigger?: readonly Expected[];
	readonly evasion?: readonly Expected[];
	readonly innocent?: string;
	readonly benign?: Benign;
	readonly false_positives?: string;
	readonly unseen?: string;
	readonly response?: string;
}

const EXPECTED_KEYS = ["does", "rule", "file", "uid", "event", "count"];
export const TEST = join(import.meta.dirname, "..");

/** @throws the fault of a case: a missing file, an unknown key, or a rule without a case */
export function readCases(kind: Kind): readonly Case[] {
	const root = join(TEST, kind);
	return readdirSync(root).map((name) => readCase(kind, name, join(root, name)));
}

function readCase(kind: Kind, name: string, directory: string): Case {
	const where = `falco/test/${kind}/${name}`;
	for (const file of [scriptOf(kind, "trigger"), scriptOf(kind, "innocent"), "expected.yaml"])
		if (!existsSync(join(directory, file))) throw new Error(`${where}: there is no ${file}`);
	const file = parse(readFileSync(join(directory, "expected.yaml"), "utf8")) as CaseFile;
	const {
		rule,
		needs = [],
		as = "agent",
		network = "shared",
		beside = [],
		trigger = [],
		evasion = [],
		innocent,
		benign,
		false_positives: falsePositives,
		unseen,
		response,
		...rest
	} = file;
	const [unknown] = Object.keys(rest);
	if (unknown !== undefined) throw new Error(`${where}: unknown key ${unknown}`);
	if (
		rule === undefined ||
		trigger.length === 0 ||
		innocent === undefined ||
		benign === undefined ||
		falsePositives === undefined ||
		unseen === undefined ||
		response === undefined
	)
		throw new Error(
			`${where}: rule, trigger, innocent, benign, false_positives, unseen and response are needed`,
		);
	if (!BENIGN.includes(benign))
		throw new Error(`${where}: benign is ${benign}; it is one of ${BENIGN.join(", ")}`);
	if (evasion.length > 0 !== existsSync(join(directory, scriptOf(kind, "evasion"))))
		throw new Error(`${where}: evasion needs both a script and expected alerts`);
	for (const expected of [...trigger, ...evasion])
		for (const key of Object.keys(expected))
			if (!EXPECTED_KEYS.includes(key)) throw new Error(`${where}: unknown key ${key} of an alert`);
	const told = { innocent, benign, falsePositives, unseen, response };
	return { kind, name, rule, needs, as, network, beside, trigger, evasion, ...told };
}

/** The file name of what is done. */
export function scriptOf(kind: Kind, way: Way): string {
	return `${way}.${kind === "cloudtrail" ? "json" : "sh"}`;
}

export function waysOf({ evasion }: Case): readonly Way[] {
	return WAYS.filter((way) => way !== "evasion" || evasion.length > 0);
}

/** The alerts that must be raised. */
export function expectedOf({ trigger, evasion }: Case, way: Way): readonly Expected[] {
	return way === "trigger" ? trigger : way === "evasion" ? evasion : [];
}

/** In the order of the rules files. @throws if a rule has no case, or a case no rule */
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
