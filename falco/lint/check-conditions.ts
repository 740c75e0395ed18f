/** Checks the values and names in conditions and outputs. */
import type { Check } from "./check.ts";
import { type Comparison, type Condition, comparisonsOf } from "./condition.ts";
import { EVENTS, isKnownField } from "./known.ts";
import { outputFieldsOf } from "./output.ts";
import { type Item, nameOfItem, type RulesFile } from "./rules-file.ts";

export const knownFields: Check = {
	id: "known-fields",
	find: (file) =>
		eachComparison(file, (item, { field, fields }) =>
			[field, ...fields]
				.filter((name) => !isKnownField(name, sourceOf(item)))
				.map((name) => `there is no field ${name}`),
		),
};

export const outputFields: Check = {
	id: "output-fields",
	find: ({ items }) =>
		items.flatMap((item) => {
			if (item.rule === undefined || item.output === undefined) return [];
			const fields = outputFieldsOf(item.output);
			if (fields.length === 0) return [`${item.rule}: the output names no field`];
			return fields
				.filter((name) => !isKnownField(name, sourceOf(item)))
				.map((name) => `${item.rule}: the output's field ${name} does not exist`);
		}),
};

export const knownEvents: Check = {
	id: "known-events",
	find: (file) =>
		eachComparison(file, (_, { field, values }) =>
			field === "evt.type"
				? values
						.filter(({ text }) => !EVENTS.has(text) && !isList(file, text))
						.map(({ text }) => `there is no event type ${text}`)
				: [],
		),
};

/** Falco treats the name of a missing list as a value. Quote a value that looks like a name. */
export const literalLists: Check = {
	id: "literal-lists",
	find: (file) =>
		eachComparison(file, (_, { field, operator, values }) =>
			["in", "pmatch", "intersects"].includes(operator) && field !== "evt.type"
				? values
						.filter(
							({ text, isQuoted }) =>
								!isQuoted && /^[a-z0-9]+(_[a-z0-9]+)+$/.test(text) && !isList(file, text),
						)
						.map(
							({ text }) =>
								`${text} is not a list of this file, so Falco compares with the word itself; quote it if you mean the word`,
						)
				: [],
		),
};

/** `in` and `=` are exact, including the items of a list. */
export const globInList: Check = {
	id: "glob-in-list",
	find: (file) =>
		eachComparison(file, (_, { operator, values }) =>
			["in", "=", "==", "pmatch", "startswith", "endswith"].includes(operator)
				? values
						.flatMap(({ text }) => [text, ...(listOf(file, text)?.items ?? []).map(String)])
						.filter((text) => /[*?]/.test(text))
						.map((text) => `${operator} is exact, "${text}" matches itself only; write glob`)
				: [],
		),
};

/**
 * Otherwise Falco evaluates events of every type, and open, close and fstat of one file cause three
 * alerts.
 */
export const eventType: Check = {
	id: "event-type",
	find: ({ items, conditions }) =>
		items.flatMap((item) => {
			const condition = conditions.get(item);
			if (item.rule === undefined || condition === undefined || sourceOf(item) !== "syscall")
				return [];
			const macros = new Map(
				[...conditions].flatMap(([{ macro }, one]) =>
					macro === undefined ? [] : [[macro, one] as const],
				),
			);
			return namesEventType(condition, macros)
				? []
				: [`${item.rule}: the condition is not bound to event types`];
		}),
};

export const deprecated: Check = {
	id: "deprecated",
	find: (file) => [
		...eachComparison(file, (_, { field }) =>
			field === "evt.dir" ? ["evt.dir: enter events no longer exist, so > is always false"] : [],
		),
		...file.items
			.filter(({ append }) => append !== undefined)
			.map((item) => `${nameOfItem(item)}: append is deprecated, use override`),
	],
};

/**
 * Node 24 calls its main thread MainThread, npm appears as node, and any process may choose its
 * name.
 */
const NAMES =
	/^proc\.(name|pname|aname|sname|pcmdline|acmdline|exe|pexe|aexe|vpgid\.name|pgid\.name)$/;

export const processNames: Check = {
	id: "process-names",
	find: (file) =>
		eachComparison(file, (_, { field }) =>
			NAMES.test(field)
				? [
						`${field} is what a process calls itself; compare proc.exepath, proc.pexepath or user.uid`,
					]
				: [],
		),
};

function namesEventType(condition: Condition, macros: ReadonlyMap<string, Condition>): boolean {
	if (condition.kind === "comparison")
		return condition.field === "evt.type" && ["=", "==", "in"].includes(condition.operator);
	if (condition.kind === "not") return false;
	if (condition.kind === "macro") {
		const macro = macros.get(condition.name);
		return macro !== undefined && namesEventType(macro, macros);
	}
	const { kind, parts } = condition;
	return kind === "and"
		? parts.some((part) => namesEventType(part, macros))
		: parts.every((part) => namesEventType(part, macros));
}

function eachComparison(
	file: RulesFile,
	find: (item: Item, comparison: Comparison) => readonly string[],
): readonly string[] {
	return [...file.conditions].flatMap(([item, condition]) =>
		comparisonsOf(condition).flatMap((comparison) =>
			find(item, comparison).map((text) => `${nameOfItem(item)}: ${text}`),
		),
	);
}

/** A rule without a source is about system calls. Rules of any source may use a macro. */
function sourceOf({ rule, source }: Item): string | undefined {
	return rule === undefined ? undefined : (source ?? "syscall");
}

function listOf({ items }: RulesFile, name: string): Item | undefined {
	return items.find(({ list }) => list === name);
}

function isList(file: RulesFile, name: string): boolean {
	return listOf(file, name) !== undefined;
}
