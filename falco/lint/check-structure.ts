/** Checks of the file as a whole: its form, its names, and the versions that it requires. */
import { Ajv } from "ajv";
import draft06 from "ajv/dist/refs/json-schema-draft-06.json" with { type: "json" };
import type { Check } from "./check.ts";
import { comparisonsOf, macrosOf } from "./condition.ts";
import { pluginOf, RULE_SCHEMA } from "./known.ts";
import { outputFieldsOf } from "./output.ts";
import { nameOfItem, type RulesFile } from "./rules-file.ts";

const ajv = new Ajv({ allErrors: true, strict: false });
ajv.addMetaSchema(draft06);
const isRulesFile = ajv.compile(RULE_SCHEMA);

export const schema: Check = {
	id: "schema",
	find({ raw, unreadable }) {
		const problems = [...unreadable].map(
			([item, reason]) => `${nameOfItem(item)}: the condition ${reason}`,
		);
		if (isRulesFile(raw)) return problems;
		return [
			...problems,
			...(isRulesFile.errors ?? []).map(
				({ instancePath, message, params }) =>
					`${instancePath}: ${message} ${JSON.stringify(params)}`,
			),
		];
	},
};

export const completeRules: Check = {
	id: "complete-rules",
	find({ items }) {
		const needed = ["desc", "condition", "output", "priority", "tags"] as const;
		return items.flatMap((item) =>
			item.rule === undefined || item.override !== undefined
				? []
				: needed
						.filter((key) => (item as Record<string, unknown>)[key] === undefined)
						.map((key) => `${item.rule}: there is no ${key}`),
		);
	},
};

export const uniqueNames: Check = {
	id: "unique-names",
	find({ items }) {
		const seen = new Set<string>();
		return items.flatMap((item) => {
			const kind = item.rule !== undefined ? "rule" : item.macro !== undefined ? "macro" : "list";
			const name = `${kind} ${nameOfItem(item)}`;
			if (nameOfItem(item) === "the file" || item.override !== undefined) return [];
			if (seen.has(name))
				return [`${name}: defined twice, and the second silently replaces the first`];
			seen.add(name);
			return [];
		});
	},
};

/** concat() and join() came with engine 0.62. */
const NEEDS_0_62 = new Set(["concat", "join"]);

export const engineVersion: Check = {
	id: "engine-version",
	find({ items, conditions }) {
		const asked = items.find(
			(item) => item.required_engine_version !== undefined,
		)?.required_engine_version;
		if (asked === undefined)
			return [
				"the file: required_engine_version is missing, so an older Falco fails late and with another message",
			];
		const [, minor] = /^0\.(\d+)\.\d+$/.exec(asked) ?? [];
		if (minor === undefined) return [`required_engine_version: ${asked} is not of the form 0.N.N`];
		const functions = [...conditions.values()].flatMap((condition) =>
			comparisonsOf(condition).flatMap((one) => one.functions),
		);
		const newest = functions.find((name) => NEEDS_0_62.has(name));
		return newest !== undefined && Number(minor) < 62
			? [`required_engine_version: ${newest}() needs 0.62.0`]
			: [];
	},
};

export const pluginVersions: Check = {
	id: "plugin-versions",
	find(file) {
		const asked = new Set(
			file.items.flatMap(({ required_plugin_versions: plugins = [] }) =>
				plugins.map(({ name }) => name),
			),
		);
		const needed = new Set(allFields(file).flatMap((field) => pluginOf(field) ?? []));
		return [
			...[...needed]
				.filter((name) => !asked.has(name))
				.map(
					(name) =>
						`the file: fields of the plugin ${name} are used, required_plugin_versions does not name it`,
				),
			...[...asked]
				.filter((name) => !needed.has(name))
				.map((name) => `required_plugin_versions: no field of the plugin ${name} is used`),
		];
	},
};

function allFields({ items, conditions }: RulesFile): readonly string[] {
	const compared = [...conditions.values()].flatMap((condition) =>
		comparisonsOf(condition).flatMap(({ field, fields }) => [field, ...fields]),
	);
	return [...compared, ...items.flatMap(({ output }) => outputFieldsOf(output))];
}

export const order: Check = {
	id: "order",
	find({ items, conditions }) {
		const defined = new Set<string>();
		return items.flatMap((item) => {
			const condition = conditions.get(item);
			const missing =
				condition === undefined ? [] : macrosOf(condition).filter((name) => !defined.has(name));
			if (item.macro !== undefined) defined.add(item.macro);
			return missing.map((name) => `${nameOfItem(item)}: the macro ${name} is not defined above`);
		});
	},
};

export const unused: Check = {
	id: "unused",
	find({ items, conditions }) {
		const all = [...conditions.values()];
		const used = new Set([
			...all.flatMap(macrosOf),
			...all.flatMap((condition) =>
				comparisonsOf(condition).flatMap(({ values }) => values.map(({ text }) => text)),
			),
			...items.flatMap(({ items: values = [] }) => values.map(String)),
		]);
		return items.flatMap(({ macro, list, override }) => {
			const name = macro ?? list;
			return name === undefined || override !== undefined || used.has(name)
				? []
				: [`${name}: is used nowhere`];
		});
	},
};
