/** The fields and events of Falco 0.44.1: see data/README.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const read = (name: string) => readFileSync(join(import.meta.dirname, "data", name), "utf8");
const linesOf = (name: string) =>
	new Set(
		read(name)
			.split("\n")
			.filter((line) => line !== ""),
	);

const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
	syscall: linesOf("fields-syscall.txt"),
	aws_cloudtrail: linesOf("fields-aws_cloudtrail.txt"),
};
export const EVENTS = linesOf("events.txt");
export const RULE_SCHEMA = JSON.parse(read("rule-schema.json")) as object;

/** Fields whose argument follows a dot: evt.arg.flags. */
const WITH_DOTTED_ARGUMENT = [
	"evt.arg",
	"evt.rawarg",
	"evt.type.is",
	"thread.cgroup",
	"container.label",
	"k8s.pod.label",
	"k8s.ns.label",
];

/** The plugin that provides a field. */
const PLUGINS: readonly (readonly [prefix: RegExp, plugin: string])[] = [
	[/^(container|k8s)\./, "container"],
	[/^(ct|s3|ec2|ecr|iam)\./, "cloudtrail"],
	[/^(json|jevt)\./, "json"],
];

/** @param source of the rule; undefined for a macro, which any rule may use */
export function isKnownField(field: string, source: string | undefined): boolean {
	// Accepted but useless; the check "deprecated" reports it.
	if (field === "evt.dir") return true;
	const sets = source === undefined ? Object.values(FIELDS) : [FIELDS[source] ?? new Set<string>()];
	const dotted = WITH_DOTTED_ARGUMENT.find((name) => field.startsWith(`${name}.`));
	return sets.some((set) => set.has(field) || (dotted !== undefined && set.has(dotted)));
}

export function pluginOf(field: string): string | undefined {
	return PLUGINS.find(([prefix]) => prefix.test(field))?.[1];
}
