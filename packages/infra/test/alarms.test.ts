/** Every alarm of the templates, evaluated over series of values, and the page that lists them. */
import { beforeAll, describe, expect, test } from "vitest";
import { type EvaluatedAlarm, readAlarms, type Series } from "./alarm-evaluator.ts";
import { synthesise } from "./synth.ts";
import { alarmTable } from "./tables.ts";

let alarms: readonly EvaluatedAlarm[];
let page: string;

beforeAll(() => {
	const { template } = synthesise("falco");
	alarms = readAlarms(template);
	page = alarmTable(template);
});

/** These raise an alarm if no value arrives; all others stay quiet. */
const ALARM_WITHOUT_DATA = ["RetentionMissing"];

const none: Series = Array(12).fill(undefined);
const repeat = (value: number | undefined, times = 12): Series => Array(times).fill(value);
const last = (values: Series): Series => [...repeat(undefined), ...values];

/** Series for each alarm on an expression, with what must follow. */
const EXPRESSIONS: Readonly<
	Record<string, readonly (readonly [string, Readonly<Record<string, Series>>, "OK" | "ALARM"])[]>
> = {
	MetricsMissing: [
		["calls and reports", { calls: repeat(3), reports: repeat(15) }, "OK"],
		["calls, and never a report", { calls: repeat(3), reports: none }, "ALARM"],
		[
			"a call each hour, and never a report",
			{ calls: last([1, undefined, undefined, undefined, 1]), reports: none },
			"ALARM",
		],
		["no calls, and no reports", { calls: none, reports: none }, "OK"],
		["reports of idle machines", { calls: none, reports: repeat(15) }, "OK"],
		[
			"one call at the end of a quarter, answered in the next",
			{ calls: last([1, undefined]), reports: last([undefined, 15]) },
			"OK",
		],
		[
			"reports that stopped",
			{ calls: repeat(3), reports: [...repeat(15, 10), undefined, undefined] },
			"ALARM",
		],
		[
			"reports that came back for two hours",
			{ calls: repeat(3), reports: last(repeat(15, 8)) },
			"OK",
		],
	],
	RetentionMissing: [
		["a run each day", { runs: repeat(1) }, "OK"],
		["no run for a day", { runs: [...repeat(1), undefined] }, "OK"],
		["no run for two days", { runs: [...repeat(1), undefined, undefined] }, "ALARM"],
	],
};

test("another installation in the account does not report for this one's machines", () => {
	const { template } = synthesise("public");
	const [alarm] = Object.entries(template.findResources("AWS::CloudWatch::Alarm")).filter(([id]) =>
		id.includes("MetricsMissing"),
	);
	const reports = alarm![1].Properties.Metrics.find(
		({ Id }: { readonly Id: string }) => Id === "reports",
	).MetricStat;
	expect(reports.Metric).toEqual({ Namespace: "OpenClaw/Machines", MetricName: "Reports" });
	const [filter] = Object.values(template.findResources("AWS::Logs::MetricFilter")).filter(
		({ Properties }) => Properties.MetricTransformations[0].MetricName === "Reports",
	);
	expect(filter!.Properties).toMatchObject({
		LogGroupName: { Ref: expect.stringMatching(/^AgentRuntimeLogs/) },
		MetricTransformations: [{ MetricNamespace: "OpenClaw/Machines", MetricValue: "1" }],
	});
});

describe("every alarm", () => {
	test("has a name of its own, and the page has a row for each", () => {
		expect(new Set(alarms.map(({ name }) => name)).size).toBe(alarms.length);
		expect(alarms.length).toBeGreaterThanOrEqual(26);
		expect(page.match(/^\| \w/gm)).toHaveLength(alarms.length + 1);
	});

	test("alarms on values at its threshold in the periods that its page names, and not in one period fewer", () => {
		const simple = alarms.filter(({ name }) => EXPRESSIONS[name] === undefined);
		expect(simple.flatMap(({ inputs }) => inputs)).toEqual(simple.map(() => "value"));
		for (const { name, threshold, isBelow, bad, of, evaluate } of simple) {
			const [wrong, right] = isBelow ? [threshold - 1, threshold] : [threshold, threshold - 1];
			const times = (count: number): Series => [
				...repeat(right, of - count),
				...repeat(wrong, count),
			];
			expect([name, evaluate({ value: times(bad) })]).toEqual([name, "ALARM"]);
			expect([name, evaluate({ value: times(bad - 1) })]).toEqual([name, "OK"]);
			expect([name, evaluate({ value: repeat(right) })]).toEqual([name, "OK"]);
		}
	});

	test("does without data what its page says", () => {
		for (const { name, inputs, evaluate } of alarms) {
			const isExpected = ALARM_WITHOUT_DATA.includes(name);
			const state = evaluate(Object.fromEntries(inputs.map((input) => [input, none])));
			expect([name, state]).toEqual([name, isExpected ? "ALARM" : "OK"]);
			const row = page.split("\n").find((line) => line.startsWith(`| ${name} |`))!;
			expect([name, row.split(" | ")[3]]).toEqual([name, isExpected ? "**alarms**" : "quiet"]);
		}
	});

	test("ends after the values are good again, or stop", () => {
		for (const { name, inputs, threshold, evaluate } of alarms) {
			if (EXPRESSIONS[name] !== undefined) continue;
			expect(inputs).toEqual(["value"]);
			expect([name, evaluate({ value: [...repeat(threshold), ...none] })]).toEqual([name, "OK"]);
		}
	});

	test("on an expression is evaluated here", () => {
		const onExpressions = alarms.filter(({ inputs }) => inputs[0] !== "value");
		expect(onExpressions.map(({ name }) => name).sort()).toEqual(Object.keys(EXPRESSIONS).sort());
	});

	test.each(
		Object.entries(EXPRESSIONS).flatMap(([name, rows]) =>
			rows.map(([what, series, state]) => [name, what, series, state] as const),
		),
	)("%s, with %s", (name, _, series, state) => {
		const alarm = alarms.find((one) => one.name === name)!;
		expect(Object.keys(series).sort()).toEqual([...alarm.inputs].sort());
		expect(alarm.evaluate(series)).toBe(state);
	});

	test("is on docs/alarms.md", async () => {
		await expect(page).toMatchFileSnapshot("../../../docs/alarms.md");
	});
});

test.each(["public", "new-vpc", "own-issuer"] as const)(
	"%s has no alarm that the page lacks",
	(mode) => {
		const names = alarms.map(({ name }) => name);
		const others = readAlarms(synthesise(mode).template).map(({ name }) => name);
		expect(others.filter((name) => !names.includes(name))).toEqual([]);
		expect(others).toEqual(
			expect.arrayContaining(["MetricsMissing", "RetentionMissing", "ProtectionChanged"]),
		);
	},
);
