/**
 * The checks by id, for mistakes that Falco accepts silently. `falco -V`, in falco/test/run, finds
 * the others.
 */
import type { Check } from "./check.ts";
import {
	deprecated,
	eventType,
	globInList,
	knownEvents,
	knownFields,
	literalLists,
	outputFields,
	processNames,
} from "./check-conditions.ts";
import {
	completeRules,
	engineVersion,
	order,
	pluginVersions,
	schema,
	uniqueNames,
	unused,
} from "./check-structure.ts";
import { tags } from "./check-tags.ts";
import { readRulesFile } from "./rules-file.ts";

export const CHECKS: readonly Check[] = [
	schema,
	completeRules,
	uniqueNames,
	order,
	unused,
	engineVersion,
	pluginVersions,
	knownFields,
	knownEvents,
	eventType,
	literalLists,
	globInList,
	deprecated,
	processNames,
	outputFields,
	tags,
];

export interface Finding {
	readonly check: string;
	readonly text: string;
}

export function lint(path: string, content: string): readonly Finding[] {
	const file = readRulesFile(path, content);
	return CHECKS.flatMap(({ id, find }) =>
		find(file).map((text) => ({ check: id, text: `${file.name}: ${text}` })),
	);
}
