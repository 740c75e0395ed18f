import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { METERED_EVENTS, metered } from "./event-metrics.ts";
import { recordingLogger } from "./logger.ts";
import { emfLine, type MetricValues } from "./metrics.ts";

function metering() {
	const values: MetricValues[] = [];
	const logger = recordingLogger();
	return { values, logger, metered: metered(logger, (each) => values.push(each)) };
}

test("an event's numbers become metrics, in seconds and bytes, and the event itself is still written", () => {
	const { values, logger, metered } = metering();
	metered.info("restore.finished", { seq: 4, files: 3, bytes: 1024, ms: 1500 });
	metered
		.child({ writer: "w" })
		.info("flush.committed", { seq: 5, bytes: 10, ms: 20, lagMs: 1200 });
	metered.warn("flush.not-taken", { path: "a" });
	expect(values).toEqual([
		{ RestoreFiles: 3, RestoreBytes: 1024, RestoreTime: 1.5 },
		{ FlushBytes: 10, FlushTime: 0.02, DurabilityLag: 1.2 },
		{ SkippedFiles: 1 },
	]);
	expect(logger.events.map(({ event, level }) => [level, event])).toEqual([
		["info", "restore.finished"],
		["info", "flush.committed"],
		["warn", "flush.not-taken"],
	]);
	expect(logger.events[1]?.fields).toMatchObject({ writer: "w", seq: 5 });
});

test("what a model took is counted in total and for the model, once it has answered", () => {
	const lines: (string | undefined)[] = [];
	const logger = metered(recordingLogger(), (values, model) =>
		lines.push(emfLine(1, values, model)),
	);
	const usage = { inputTokens: 100, cachedTokens: 40, outputTokens: 7, isEstimated: false };
	logger.info("model.answered", { model: "m-1", ...usage, usedToday: 147, ms: 1500 });
	logger.warn("model.failed", { model: "made-up", status: 404 });
	logger.warn("model.budget-spent", { status: 429 });
	const [answered, failed, spent] = lines.map((line) => JSON.parse(line ?? ""));
	expect(answered).toMatchObject({
		Service: "openclaw-sidecar",
		Model: "m-1",
		ModelRequests: 1,
		ModelTime: 1.5,
		ModelInputTokens: 100,
		ModelCachedTokens: 40,
		ModelOutputTokens: 7,
	});
	expect(answered._aws.CloudWatchMetrics[0].Dimensions).toEqual([
		["Service"],
		["Service", "Model"],
	]);
	for (const [line, name] of [
		[failed, "ModelErrors"],
		[spent, "ModelBudgetRefusals"],
	]) {
		expect(line).toMatchObject({ [name]: 1 });
		expect(line._aws.CloudWatchMetrics[0].Dimensions).toEqual([["Service"]]);
		expect(line).not.toHaveProperty("Model");
	}
});

test("an event without its numbers gives no metrics", () => {
	const { values, metered } = metering();
	metered.info("restore.finished");
	metered.info("agent.started", { pid: 7 });
	expect(values).toHaveLength(1);
	expect(emfLine(1, values[0] ?? {})).toBeUndefined();
});

test("every metered event is logged somewhere under exactly that name", () => {
	const sources = globSync("**/*.ts", { cwd: new URL("..", import.meta.url).pathname })
		.filter((path) => !path.endsWith(".test.ts") && !path.endsWith("event-metrics.ts"))
		.map((path) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));
	const logged = new Set(
		sources.flatMap((text) => [...text.matchAll(/"([a-z]+\.[a-z-]+)"/g)].map(([, event]) => event)),
	);
	expect(METERED_EVENTS.filter((event) => !logged.has(event))).toEqual([]);
});
