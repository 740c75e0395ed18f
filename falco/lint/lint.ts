/**
 * Mistakes in a rules file that Falco accepts without a word, so that a rule loads and never alerts.
 * Falco's own schema and house-schema.json check the form. `falco -V`, in falco/test/run, checks
 * everything else: fields, events, operators, macros, versions.
 *
 * Conditions are searched, not parsed. A comparison in an unusual notation is not seen.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import draft06 from "ajv/dist/refs/json-schema-draft-06.json" with { type: "json" };
import { parse } from "yaml";

interface Item {
	readonly rule?: string;
	readonly macro?: string;
	readonly list?: string;
	readonly condition?: string;
	readonly items?: readonly (string | number)[];
	readonly override?: object;
	readonly required_engine_version?: string;
}
type Check = (items: readonly Item[]) => readonly string[];

interface Comparison {
	/** The item of the file. */
	readonly at: string;
	readonly field: string;
	readonly operator: string;
	/** A quoted value has its quotes. */
	readonly values: readonly string[];
}

const ajv = new Ajv({ allErrors: true, strict: false });
ajv.addMetaSchema(draft06);
const compiled = (name: string) =>
	ajv.compile(JSON.parse(readFileSync(join(import.meta.dirname, "data", name), "utf8")) as object);

const PROCESS_NAMES = /\bproc\.(?:[psa]?name|[pa]?exe|[pa]cmdline|v?pgid\.name)\b/g;

/** By id, which also is the name of the check's bad sample in samples/. */
export const CHECKS: Readonly<Record<string, Check>> = {
	schema: accordingTo(compiled("rule-schema.json")),

	house: accordingTo(compiled("house-schema.json")),

	/** The second definition replaces the first one. */
	"unique-names": (items) => {
		const names = items
			.filter(({ override }) => override === undefined)
			.flatMap(({ rule, macro, list }) =>
				Object.entries({ rule, macro, list }).flatMap(([kind, name]) =>
					name === undefined ? [] : [`${kind} ${name}`],
				),
			);
		return names
			.filter((name, index) => names.indexOf(name) !== index)
			.map((name) => `${name}: defined twice`);
	},

	/** Falco takes the name of a missing list as a value. Quote a value that looks like a name. */
	"literal-lists": (items) =>
		comparisonsOf(items)
			.filter(
				({ field, operator }) => isOneOf(operator, "in pmatch intersects") && field !== "evt.type",
			)
			.flatMap(({ at, values }) =>
				values
					.filter(
						(text) => /^[a-z0-9]+(_[a-z0-9]+)+$/.test(text) && listOf(items, text) === undefined,
					)
					.map((text) => `${at}: ${text} is no list of this file; quote it if you mean the word`),
			),

	/** These operators are exact, also for the items of a list. */
	"glob-in-list": (items) =>
		comparisonsOf(items)
			.filter(({ operator }) => isOneOf(operator, "in = == pmatch startswith endswith"))
			.flatMap(({ at, operator, values }) =>
				values
					.flatMap((text) => [text, ...(listOf(items, text)?.items ?? []).map(String)])
					.filter((text) => /[*?]/.test(text))
					.map((text) => `${at}: ${operator} ${text} is exact; write glob`),
			),

	/** Enter events no longer exist: `evt.dir = >` is always false. */
	"evt-dir": (items) =>
		conditionsOf(items)
			.filter(([, condition]) => /\bevt\.dir\b/.test(condition))
			.map(([at]) => `${at}: evt.dir has one value only`),

	/** Decision 26: Node 24 calls its main thread MainThread, and any process chooses its name. */
	"process-names": (items) =>
		conditionsOf(items).flatMap(([at, condition]) =>
			(condition.match(PROCESS_NAMES) ?? []).map(
				(field) => `${at}: ${field} is what a process says of itself; compare proc.exepath`,
			),
		),

	/** An older engine refuses the file with a message that does not name the version. */
	"engine-version": (items) => {
		const asked = items.find((item) => item.required_engine_version)?.required_engine_version ?? "";
		const isOld = Number(/^0\.(\d+)\./.exec(asked)?.[1]) < 62;
		return conditionsOf(items)
			.filter(([, condition]) => isOld && /\b(?:concat|join)\(/.test(condition))
			.map(([at]) => `${at}: concat() and join() need required_engine_version 0.62.0`);
	},
};

/** @returns the findings of each check that has any */
export function lint(content: string): Readonly<Record<string, readonly string[]>> {
	const items = parse(content) as readonly Item[];
	return Object.fromEntries(
		Object.entries(CHECKS)
			.map(([id, find]) => [id, find(items)] as const)
			.filter(([, found]) => found.length > 0),
	);
}

function accordingTo(isValid: ValidateFunction): Check {
	return (items) => {
		if (isValid(items)) return [];
		return (
			(isValid.errors ?? [])
				// What fails inside these is one way among several.
				.filter(
					({ keyword, schemaPath }) =>
						keyword !== "if" && !/\/(?:contains|anyOf)\//.test(schemaPath),
				)
				.map(
					({ instancePath, message, params }) =>
						`${instancePath}: ${message} ${JSON.stringify(params)}`,
				)
		);
	};
}

function conditionsOf(items: readonly Item[]): readonly (readonly [string, string])[] {
	return items.flatMap(({ rule, macro, condition }) =>
		condition === undefined ? [] : [[rule ?? macro ?? "", condition] as const],
	);
}

const STRING = `"[^"]*"|'[^']*'`;
const COMPARISON = new RegExp(
	`([a-z][\\w.]*(?:\\[[^\\]]*\\])?)\\s*(==?|\\b(?:in|pmatch|intersects|startswith|endswith)\\b)\\s*(\\((?:${STRING}|[^()"'])*\\)|${STRING}|[^\\s()]+)`,
	"g",
);

function comparisonsOf(items: readonly Item[]): readonly Comparison[] {
	return conditionsOf(items).flatMap(([at, condition]) =>
		[...condition.matchAll(COMPARISON)].map(([, field = "", operator = "", right = ""]) => ({
			at,
			field,
			operator,
			values: right.match(new RegExp(`${STRING}|[^\\s,()]+`, "g")) ?? [],
		})),
	);
}

function listOf(items: readonly Item[], name: string): Item | undefined {
	return items.find(({ list }) => list === name);
}

function isOneOf(operator: string, operators: string): boolean {
	return operators.split(" ").includes(operator);
}
