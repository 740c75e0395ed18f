import fc from "fast-check";
import { expect, test } from "vitest";
import * as z from "zod";
import { emfLine, METRICS, type MetricName } from "./metrics.ts";

/** The specification's schema: no other keys are allowed in these objects. */
const EMF = z.looseObject({
	_aws: z.strictObject({
		Timestamp: z.int().positive(),
		CloudWatchMetrics: z.array(
			z.strictObject({
				Namespace: z.string().regex(/^[\w.\-/#:]{1,1024}$/),
				Dimensions: z.array(z.array(z.string().min(1).max(250)).max(30)).min(1),
				Metrics: z
					.array(
						z.strictObject({
							Name: z.string().min(1).max(1024),
							Unit: z.enum(["Seconds", "Count", "Bytes"]),
						}),
					)
					.max(100),
			}),
		),
	}),
});

const values = fc.dictionary(
	fc.constantFrom(...(Object.keys(METRICS) as MetricName[])),
	fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY)),
);

test("every line is valid for CloudWatch: each metric and dimension is a member of the root", () => {
	fc.assert(
		fc.property(values, fc.integer({ min: 1, max: 2e12 }), (given, nowMs) => {
			const finite = Object.keys(given).filter((name) => Number.isFinite(given[name]));
			const line = emfLine(nowMs, given);
			expect(line === undefined).toBe(finite.length === 0);
			if (line === undefined) return;
			expect(line).not.toContain("\n");
			const root = EMF.parse(JSON.parse(line)) as z.infer<typeof EMF> & Record<string, unknown>;
			for (const { Dimensions, Metrics } of root._aws.CloudWatchMetrics) {
				for (const name of Dimensions.flat()) expect(root[name]).toEqual(expect.any(String));
				for (const { Name } of Metrics) expect(root[Name]).toEqual(expect.any(Number));
				expect(Metrics.map(({ Name }) => Name)).toEqual(finite);
			}
		}),
	);
});

test("the only dimension is the service, whatever the values: a user's name would cost one metric each", () => {
	const { Service, _aws } = JSON.parse(emfLine(1, { Invocations: 1 }) ?? "");
	expect(Service).toBe("openclaw-sidecar");
	expect(_aws.CloudWatchMetrics[0].Dimensions).toEqual([["Service"]]);
});
