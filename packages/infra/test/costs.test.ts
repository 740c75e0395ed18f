/** The cost table of docs/deploy.md counts what is deployed. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { METRICS } from "../../sidecar/src/telemetry/metrics.ts";
import { synthesise } from "./synth.ts";

const document = readFileSync(new URL("../../../docs/deploy.md", import.meta.url), "utf8");
const [table = ""] = /\| what \| how much \|[\s\S]*?\n\n/.exec(document) ?? [];
const rows = table
	.trim()
	.split("\n")
	.slice(2)
	.map((line) => line.split("|").map((cell) => cell.trim().replaceAll("*", "")))
	.map(([, what = "", amount = "", , v1 = "", v2 = ""]) => ({ what, amount, v1, v2 }));
const rowOf = (what: string) => rows.find((row) => row.what === what)!;

interface Alarm {
	readonly Properties: { readonly Metrics?: readonly { readonly MetricStat?: object }[] };
}

test("the metrics and the alarms of the table are those that are deployed", () => {
	const { template } = synthesise("public");
	const alarms: readonly Alarm[] = Object.values(
		template.findResources("AWS::CloudWatch::Alarm"),
	) as never;
	const inAlarms = alarms.reduce(
		(sum, { Properties: { Metrics } }) =>
			sum + (Metrics?.filter(({ MetricStat }) => MetricStat !== undefined).length ?? 1),
		0,
	);
	const names = Object.keys(METRICS);
	const ofModels = names.filter((name) => name.startsWith("Model"));
	// Filters that count rare events cost cents. The machines' reports are counted each minute.
	const [reports, ...others] = Object.keys(
		template.findResources("AWS::Logs::MetricFilter", {
			Properties: { MetricTransformations: [{ MetricName: "Reports" }] },
		}),
	);
	expect([reports, others]).toEqual([expect.any(String), []]);
	expect(rowOf("CloudWatch").amount).toContain(
		`${names.length + ofModels.length + 1} metrics, ${inAlarms} metrics in alarms`,
	);
	expect(document).toContain(`${names.length} metrics, ${ofModels.length} of them once more`);
});

test.each(["v1", "v2"] as const)("the rows of %s add up", (column) => {
	const sum = rows
		.slice(
			0,
			rows.findIndex(({ what }) => what === "all"),
		)
		.reduce((total, row) => total + Number(row[column]), 0);
	expect(Math.floor(sum)).toBe(Number(rowOf("all")[column]));
});
