/** Generates the text on each rule in falco/README.md from the rules files and the cases. */
import { relative } from "node:path";
import { type Case, casesOfAllRules, type Expected } from "./cases.ts";
import { FALCO, KINDS, type Kind, RULES_FILES, rulesOf } from "./places.ts";
import { readRuns, resultOf } from "./results.ts";

const CASES = casesOfAllRules();
const RUNS = readRuns();

/** The README with its parts between `<!-- NAME -->` and `<!-- /NAME -->` regenerated. */
export function readmeWithTables(readme: string): string {
	let text = readme;
	for (const [name, content] of [
		["runs", runTable()],
		["cases", KINDS.map(caseTable).join("\n\n")],
		["rules", KINDS.map(ruleSections).join("\n\n")],
	] as const) {
		const part = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
		if (!part.test(text)) throw new Error(`falco/README.md: there is no part ${name}`);
		text = text.replace(part, (_, begin: string, end: string) => `${begin}\n${content}\n\n${end}`);
	}
	return text;
}

function runTable(): string {
	const rows = RUNS.map((run) => {
		const all = [...CASES.values()].flat().map((one) => resultOf(run, one));
		const count = (result: string) => all.filter((one) => one === result).length;
		return row([
			run.engine,
			run.built,
			run.date,
			run.session ?? "not run",
			`${count("ok")} ok, ${count("failed")} failed, ${count("not run")} not run`,
		]);
	});
	return [
		row(["engine", "where and how", "date", "normal session", "rules"]),
		"|---|---|---|---|---|",
		...rows,
	].join("\n");
}

function caseTable(kind: Kind): string {
	const alertsOf = (rule: string, list: readonly Expected[]) =>
		list.map((one) => alertText(rule, one)).join("<br>");
	const rows = casesOf(kind).map((one) => {
		const { rule, name, trigger, evasion, innocent } = one;
		return row([
			`[${rule}](test/${kind}/${name})`,
			alertsOf(rule, trigger),
			`${innocent}: 0`,
			...(kind === "cloudtrail" ? [] : [alertsOf(rule, evasion)]),
			...RUNS.map((run) => resultOf(run, one)),
		]);
	});
	const head = [
		"rule",
		"trigger: alerts",
		"innocent: alerts",
		...(kind === "cloudtrail" ? [] : ["evasion: alerts"]),
		...RUNS.map(({ engine }) => engine.split(",")[0] as string),
	];
	return [
		`### ${relative(FALCO, RULES_FILES[kind])}`,
		"",
		row(head),
		`|${"---|".repeat(head.length)}`,
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
			const { benign, falsePositives, unseen, response } = cases.get(rule) as Case;
			const techniques = tags.filter((tag) => /^TA?\d/.test(tag)).join(", ");
			return [
				`#### ${rule}`,
				"",
				`**${priority}**, ${techniques}. ${desc.trim()}`,
				"",
				`*Benign:* ${benign}. ${falsePositives} *Response:* ${response} *Unseen:* ${unseen}`,
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
