import { expect, test } from "vitest";
import { sweepAll } from "./sweep.ts";

const NAMES = ["anna", "ben", "carla", "dora"];

/** One run. The time ends while `endsAt` is worked on. */
async function run({
	after,
	endsAt,
	fails = [],
}: {
	after?: string | undefined;
	endsAt?: string;
	fails?: readonly string[];
}) {
	const clock = new AbortController();
	const seen: string[] = [];
	async function* names() {
		yield* NAMES.filter((name) => after === undefined || name > after);
	}
	const sweep = async (name: string) => {
		seen.push(name);
		if (name === endsAt) clock.abort();
		return clock.signal.aborted ? "aborted" : fails.includes(name) ? "broken" : undefined;
	};
	return { seen, ...(await sweepAll(names(), sweep, after, clock.signal)) };
}

test("a round that is complete begins anew", async () => {
	expect(await run({})).toEqual({ seen: NAMES, done: 4, failures: {}, stoppedAfter: undefined });
});

test("what the end of the time cut short comes first the next time", async () => {
	const first = await run({ endsAt: "carla" });
	expect(first).toEqual({
		seen: ["anna", "ben", "carla"],
		done: 2,
		failures: {},
		stoppedAfter: "ben",
	});
	expect(await run({ after: first.stoppedAfter })).toMatchObject({
		seen: ["carla", "dora"],
		stoppedAfter: undefined,
	});
});

test("one that takes a whole run counts as failed, and the next run goes past it", async () => {
	const first = await run({ after: "anna", endsAt: "ben" });
	expect(first).toEqual({
		seen: ["ben"],
		done: 0,
		failures: { ben: "it takes longer than a whole run" },
		stoppedAfter: "ben",
	});
	expect(await run({ after: first.stoppedAfter })).toMatchObject({ seen: ["carla", "dora"] });
});

test("one that fails keeps none from its turn", async () => {
	expect(await run({ fails: ["anna", "carla"] })).toEqual({
		seen: NAMES,
		done: 2,
		failures: { anna: "broken", carla: "broken" },
		stoppedAfter: undefined,
	});
});
