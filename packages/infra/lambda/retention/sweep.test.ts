import { expect, test } from "vitest";
import { sweepAll } from "./sweep.ts";

const NAMES = ["anna", "ben", "carla", "dora"];

/** One run. The time ends during `endsAt`. */
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

test("a complete round starts again at the first name", async () => {
	expect(await run({})).toEqual({ seen: NAMES, done: 4, failures: {}, stoppedAfter: undefined });
});

test("a name that the end of the time interrupted comes first in the next run", async () => {
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

test("a name that takes a whole run counts as failed, and the next run continues after it", async () => {
	const first = await run({ after: "anna", endsAt: "ben" });
	expect(first).toEqual({
		seen: ["ben"],
		done: 0,
		failures: { ben: "it takes longer than a complete run" },
		stoppedAfter: "ben",
	});
	expect(await run({ after: first.stoppedAfter })).toMatchObject({ seen: ["carla", "dora"] });
});

test("a failed name does not stop the others", async () => {
	expect(await run({ fails: ["anna", "carla"] })).toEqual({
		seen: NAMES,
		done: 2,
		failures: { anna: "broken", carla: "broken" },
		stoppedAfter: undefined,
	});
});
