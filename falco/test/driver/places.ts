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

export function rulesOf(kind: Kind): readonly RuleItem[] {
	const items = parse(readFileSync(RULES_FILES[kind], "utf8")) as readonly Partial<RuleItem>[];
	return items.filter((item): item is RuleItem => item.rule !== undefined);
}
