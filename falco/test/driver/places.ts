/** The rules file of each kind of case, and its rules. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export const KINDS = ["syscall", "container", "cloudtrail"] as const;
export type Kind = (typeof KINDS)[number];

export const FALCO = join(import.meta.dirname, "../..");

export const RULES_FILES: Readonly<Record<Kind, string>> = {
	syscall: join(FALCO, "rules/openclaw_rules.yaml"),
	container: join(FALCO, "rules/openclaw_container_rules.yaml"),
	cloudtrail: join(FALCO, "rules/openclaw_cloudtrail_rules.yaml"),
};

export interface RuleItem {
	readonly rule: string;
	readonly priority: string;
	readonly desc: string;
	readonly tags: readonly string[];
}

interface Item extends Partial<RuleItem> {
	readonly macro?: string;
	readonly list?: string;
	readonly condition?: string;
	readonly items?: readonly unknown[];
	readonly enabled?: boolean;
}

export function itemsOf(kind: Kind): readonly Item[] {
	return parse(readFileSync(RULES_FILES[kind], "utf8")) as readonly Item[];
}

export function rulesOf(kind: Kind): readonly RuleItem[] {
	return itemsOf(kind).filter((item): item is Item & RuleItem => item.rule !== undefined);
}

/** `rule_matching` of the configuration that users copy. */
export function shippedMatching(): string {
	const { rule_matching: matching } = parse(
		readFileSync(join(FALCO, "config/falco.yaml"), "utf8"),
	) as { readonly rule_matching: string };
	return matching;
}
