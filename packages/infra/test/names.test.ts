/** Queries, dashboards and alarms that an alarm or a document names exist, and can find something. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { METRICS } from "../../sidecar/src/telemetry/metrics.ts";
import { readAlarms } from "./alarm-evaluator.ts";
import { Deployed } from "./deployed.ts";
import { synthesise } from "./synth.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

let queries: ReadonlyMap<string, string>;
let alarmNames: readonly string[];
let alarmTexts: readonly string[];
let dashboards: readonly string[];

beforeAll(() => {
	const { template } = synthesise("falco");
	const deployed = new Deployed(template);
	const all = (type: string) =>
		Object.values(template.findResources(type)).map(
			({ Properties }) => deployed.resolve(Properties) as Readonly<Record<string, string>>,
		);
	queries = new Map(
		all("AWS::Logs::QueryDefinition").map(({ Name, QueryString }) => [
			Name!.replace(/^OpenClaw\//, ""),
			QueryString!,
		]),
	);
	const alarms = readAlarms(template);
	alarmNames = alarms.map(({ name }) => name);
	alarmTexts = alarms.map(({ why }) => why);
	dashboards = Object.values(template.findResources("AWS::CloudWatch::Dashboard")).map(
		({ Properties }) => (Properties.DashboardName as string).replace(/^OpenClaw/, "{stack}"),
	);
});

/** Every page of docs/ but decisions, which are not kept up to date. */
function documents(): readonly string[] {
	const pages = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith(".md"));
	return [...pages.map((name) => `docs/${name}`), "packages/infra/README.md", "README.md"].map(
		(path) => readFileSync(`${ROOT}${path}`, "utf8"),
	);
}

const namesAfter = (word: RegExp, texts: readonly string[]) =>
	texts.flatMap((text) =>
		[...text.matchAll(new RegExp(`${word.source} \`([^\`]+)\``, "gi"))].map(([, name]) => name!),
	);

test("every saved query that an alarm or a document names exists", () => {
	const named = namesAfter(/saved quer(?:y|ies)/, [...alarmTexts, ...documents()]);
	expect(named.length).toBeGreaterThan(15);
	expect(named.filter((name) => !queries.has(name))).toEqual([]);
});

test("an alarm that speaks of a saved query names it", () => {
	for (const text of alarmTexts)
		expect(text.match(/quer(y|ies)/gi) ?? []).toHaveLength(
			namesAfter(/saved quer(?:y|ies)/, [text]).length,
		);
});

test("every alarm and every dashboard that a document names exists", () => {
	const alarms = namesAfter(/alarms?/, documents()).filter((name) => name !== "Alarms");
	expect(alarms.length).toBeGreaterThan(2);
	expect(
		alarms.filter(
			(name) =>
				!alarmNames.includes(name) &&
				!alarmNames.some((one) => one.startsWith(`${name}-`) || one.startsWith(name)),
		),
	).toEqual([]);
	const named = namesAfter(/dashboard/, documents());
	expect(named.length).toBeGreaterThan(0);
	expect(named.filter((name) => !dashboards.includes(name))).toEqual([]);
});

test("every alarm has a row that says whether it can wait, on docs/operations.md", () => {
	const page = readFileSync(`${ROOT}docs/operations.md`, "utf8");
	const table = page.slice(page.indexOf("| act | alarms |"), page.indexOf("### Changes of"));
	const named = [...table.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
	const groups = alarmNames.map((name) => name.replace(/^RotationFailed.*/, "RotationFailed"));
	expect(named.sort()).toEqual([...new Set(groups)].sort());
});

describe("a saved query", () => {
	test("looks for events that are logged without a debug level", () => {
		const sources =
			sourcesOf(`${ROOT}packages/sidecar/src`) + sourcesOf(`${ROOT}packages/infra/lambda`);
		const events = [...queries.values()].flatMap((query) => [
			...[...query.matchAll(/\bevent = "([^"]+)"/g)].map(([, name]) => name!),
			...[...query.matchAll(/\bevent in \[([^\]]+)\]/g)].flatMap(([, list]) =>
				[...list!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
			),
		]);
		expect(events.length).toBeGreaterThan(5);
		const isLogged = (event: string) =>
			new RegExp(`(?:\\.(?:info|warn|error)|\\])\\(\\s*"${event.replaceAll(".", "\\.")}"`).test(
				sources,
			);
		expect(events.filter((event) => !isLogged(event))).toEqual([]);
	});

	test("names only metrics that machines write", () => {
		const names = [...queries.values()].flatMap((query) =>
			[...query.matchAll(/\b((?:Durability|Dirty|Restore|Flush)[A-Z]\w+)/g)].map(
				([, name]) => name!,
			),
		);
		expect(names.length).toBeGreaterThan(0);
		expect(names.filter((name) => !(name in METRICS))).toEqual([]);
	});

	test("exists for the machines, the webhook, the worker, the firewall, retention, the audit and Falco", () => {
		expect([...queries.keys()].sort()).toEqual([
			"alerts of Falco",
			"blocked requests",
			"changes of the protection",
			"denied access",
			"denied access to objects",
			"durability lag",
			"errors by code",
			"failed findings",
			"failed issuer",
			"failed retention",
			"failed rotations",
			"failed turns",
			"failed webhooks",
			"fenced writers",
			"machines that did not start",
			"progress of retention",
			"refused webhooks",
			"secrets found",
			"slow restores",
			"strangers",
		]);
	});

	test("of objects exists only with a trail of them", () => {
		const names = Object.values(
			synthesise("public").template.findResources("AWS::Logs::QueryDefinition"),
		).map(({ Properties }) => Properties.Name as string);
		expect(names).not.toContain("OpenClaw/denied access to objects");
		expect(names).toContain("OpenClaw/errors by code");
	});
});

function sourcesOf(directory: string): string {
	return readdirSync(directory, { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
		.map((name) => readFileSync(`${directory}/${name}`, "utf8"))
		.join("\n");
}
