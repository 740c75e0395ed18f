/** Generates the text on each rule in falco/README.md from the rules files and the cases. */
import { relative } from "node:path";
import { type Case, casesOfAllRules, type Expected } from "./cases.ts";
import { FALCO, KINDS, type Kind, RULES_FILES, rulesOf } from "./places.ts";

const CASES = casesOfAllRules();

/** The README with its parts between `<!-- NAME -->` and `<!-- /NAME -->` regenerated. */
export function readmeWithTables(readme: string): string {
	let text = readme;
	for (const [name, content] of [
		["cases", KINDS.map(caseTable).join("\n\n")],
		["rules", KINDS.map(ruleSections).join("\n\n")],
	] as const) {
		const part = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
		if (!part.test(text)) throw new Error(`falco/README.md: there is no part ${name}`);
		text = text.replace(part, (_, begin: string, end: string) => `${begin}\n${content}\n\n${end}`);
	}
	return text;
}

function caseTable(kind: Kind): string {
	const rows = casesOf(kind).map(({ rule, name, trigger, innocent }) =>
		row([
			`[${rule}](test/${kind}/${name})`,
			trigger.map((one) => alertText(rule, one)).join("<br>"),
			`${innocent}: 0`,
		]),
	);
	return [
		`### ${relative(FALCO, RULES_FILES[kind])}`,
		"",
		row(["rule", "trigger: alerts", "innocent: alerts"]),
		"|---|---|---|",
		...rows,
	].join("\n");
}

function alertText(rule: string, { does, count = 1, uid, file, rule: other }: Expected): string {
	const more = [
		...(uid === undefined ? [] : [`user ${uid}`]),
		...(file === undefined ? [] : [`\`${file}\``]),
		...(other === undefined || other === rule ? [] : [`of "${other}"`]),
	];
	return `${does}: ${count}${more.length === 0 ? "" : ` (${more.join(", ")})`}`;
}

function ruleSections(kind: Kind): string {
	const cases = new Map(casesOf(kind).map((one) => [one.rule, one]));
	return rulesOf(kind)
		.map(({ rule, desc, priority, tags }) => {
			const { falsePositives, response } = cases.get(rule) as Case;
			const techniques = tags.filter((tag) => /^TA?\d/.test(tag)).join(", ");
			return [
				`#### ${rule}`,
				"",
				`**${priority}**, ${techniques}. ${desc.trim()}`,
				"",
				`*False positives:* ${falsePositives} *Response:* ${response}`,
			].join("\n");
		})
		.join("\n\n");
}

function casesOf(kind: Kind): readonly Case[] {
	return CASES.get(kind) ?? [];
}

function row(cells: readonly string[]): string {
	return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
