/** A rules file as its items, with parsed conditions. */
import { basename } from "node:path";
import { parse } from "yaml";
import { type Condition, ConditionError, parseCondition } from "./condition.ts";

export interface Item {
	readonly rule?: string;
	readonly macro?: string;
	readonly list?: string;
	readonly condition?: string;
	readonly output?: string;
	readonly priority?: string;
	readonly source?: string;
	readonly tags?: readonly string[];
	readonly items?: readonly (string | number)[];
	readonly append?: boolean;
	readonly override?: object;
	readonly required_engine_version?: string;
	readonly required_plugin_versions?: readonly {
		readonly name: string;
		readonly version: string;
	}[];
}

export interface RulesFile {
	readonly name: string;
	/** The parsed YAML, for the schema. */
	readonly raw: unknown;
	readonly items: readonly Item[];
	/**
	 * Conditions of rules and macros by item; without items that have none, or one that cannot be
	 * parsed.
	 */
	readonly conditions: ReadonlyMap<Item, Condition>;
	/** The errors of conditions that cannot be parsed. */
	readonly unreadable: ReadonlyMap<Item, string>;
}

export function readRulesFile(path: string, content: string): RulesFile {
	const raw: unknown = parse(content);
	const items = Array.isArray(raw) ? (raw as readonly Item[]) : [];
	const conditions = new Map<Item, Condition>();
	const unreadable = new Map<Item, string>();
	for (const item of items) {
		if (typeof item.condition !== "string") continue;
		try {
			conditions.set(item, parseCondition(item.condition));
		} catch (error) {
			if (!(error instanceof ConditionError)) throw error;
			unreadable.set(item, error.message);
		}
	}
	return { name: basename(path), raw, items, conditions, unreadable };
}

export function nameOfItem({ rule, macro, list }: Item): string {
	return rule ?? macro ?? list ?? "the file";
}
