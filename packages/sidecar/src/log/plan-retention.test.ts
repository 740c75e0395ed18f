import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logKey, packKey } from "./keys.ts";
import {
	DAY_MS,
	DEFAULT_RETENTION,
	MIN_AGE_MS,
	planSweep,
	type RetentionPolicy,
	retainedSeqs,
	type StoredCommit,
} from "./plan-retention.ts";

const HOUR_MS = DAY_MS / 24;
const NOW_MS = 20_000 * DAY_MS + 15 * HOUR_MS;

const at = (seq: number, daysAgo: number): StoredCommit => ({
	seq,
	key: logKey(seq),
	sizeBytes: 100,
	timeMs: NOW_MS - daysAgo * DAY_MS,
});

/**
 * A log of commits with growing seqs, some of them in the same second, the newest up to 60 days
 * old; newest first.
 */
const anyLog: fc.Arbitrary<StoredCommit[]> = fc
	.array(
		fc.oneof(fc.constant(0), fc.integer({ max: 2 * HOUR_MS }), fc.integer({ max: 20 * DAY_MS })),
		{ minLength: 1, maxLength: 60 },
	)
	.chain((gaps) => fc.tuple(fc.constant(gaps), fc.integer({ min: 0, max: 60 * DAY_MS })))
	.map(([gaps, age]) => {
		const log: StoredCommit[] = [];
		let timeMs = NOW_MS - age;
		for (const [index, gap] of gaps.entries()) {
			log.push({ ...at(gaps.length - index, 0), timeMs });
			timeMs -= Math.abs(gap);
		}
		return log;
	});

const anyPolicy: fc.Arbitrary<RetentionPolicy> = fc.record({
	keepAllMs: fc.integer({ min: DAY_MS, max: 20 * DAY_MS }),
	keepDailyMs: fc.integer({ min: 0, max: 60 * DAY_MS }),
});

/** The commit whose state the workspace had then. */
const headAt = (log: readonly StoredCommit[], timeMs: number) =>
	log.find((commit) => commit.timeMs <= timeMs)?.seq;

describe("retainedSeqs", () => {
	// @id newest-commit-kept
	it("keeps the newest commit whatever its age", () => {
		expect(retainedSeqs([at(9, 4000)], DEFAULT_RETENTION, NOW_MS)).toEqual([9]);
		fc.assert(
			fc.property(
				anyLog,
				anyPolicy,
				fc.integer({ min: 0, max: 1000 * DAY_MS }),
				(log, policy, later) => {
					expect(retainedSeqs(log, policy, NOW_MS + later)[0]).toBe(log[0]?.seq);
				},
			),
		);
	});

	it("keeps every commit of the last days, then one a day, by default for 7 and for 30 days", () => {
		const log = [
			at(9, 6.9),
			at(8, 6.95),
			at(7, 7.5),
			at(6, 7.6),
			at(5, 8.7),
			at(4, 8.8),
			at(3, 29.7),
			at(2, 31),
			at(1, 33),
		];
		// It is 15:00: midnights are 0.625 days ago and so on. 7: the state when the seven days began.
		// 6 was replaced before its midnight came. 3: the oldest midnight within 30 days.
		expect(retainedSeqs(log, DEFAULT_RETENTION, NOW_MS)).toEqual([9, 8, 7, 5, 3]);
	});

	it("keeps the state of every moment that the policy names, and every commit made since", () => {
		fc.assert(
			fc.property(
				anyLog,
				anyPolicy,
				fc.double({ min: 0, max: 1, noNaN: true }),
				(log, policy, share) => {
					const retained = retainedSeqs(log, policy, NOW_MS);
					const moments = [NOW_MS - Math.floor(policy.keepAllMs * share * 0.999)];
					for (
						let midnight = Math.floor(NOW_MS / DAY_MS) * DAY_MS;
						midnight >= NOW_MS - policy.keepDailyMs;
						midnight -= DAY_MS
					)
						moments.push(midnight);
					for (const moment of moments) {
						const seq = headAt(log, moment);
						if (seq !== undefined) expect(retained).toContain(seq);
					}
					for (const { seq, timeMs } of log)
						if (timeMs > NOW_MS - policy.keepAllMs) expect(retained).toContain(seq);
				},
			),
		);
	});

	it("keeps no more than that: beyond the last days at most one a day", () => {
		fc.assert(
			fc.property(anyLog, anyPolicy, (log, policy) => {
				const retained = retainedSeqs(log, policy, NOW_MS);
				const old = log.filter(
					({ seq }, index) =>
						index > 0 &&
						retained.includes(seq) &&
						(log[index - 1] as StoredCommit).timeMs <= NOW_MS - policy.keepAllMs,
				);
				expect(old.length).toBeLessThanOrEqual(Math.ceil(policy.keepDailyMs / DAY_MS));
			}),
		);
	});

	it("never brings back what expired when time passes, the log grows and expired commits are gone", () => {
		fc.assert(
			fc.property(
				anyLog,
				anyPolicy,
				fc.infiniteStream(fc.boolean()),
				fc.integer({ min: 0, max: 9 * DAY_MS }),
				(log, policy, isGone, later) => {
					const before = new Set(retainedSeqs(log, policy, NOW_MS));
					const left = log.filter(({ seq }) => before.has(seq) || isGone.next().value === false);
					const newer = { ...at((log[0]?.seq ?? 0) + 1, 0), timeMs: NOW_MS + later };
					for (const seq of retainedSeqs([newer, ...left], policy, newer.timeMs))
						expect(seq === newer.seq || before.has(seq)).toBe(true);
				},
			),
		);
	});

	it("takes no state from a commit in a deleted slot, and does not make older commits younger because of it", () => {
		const log = [at(90, 20), at(41, 0.1), at(40, 40.3), at(39, 40.6)];
		expect(retainedSeqs(log, DEFAULT_RETENTION, NOW_MS)).toEqual([90, 40]);
		expect(retainedSeqs(log, { keepAllMs: DAY_MS, keepDailyMs: 15 * DAY_MS }, NOW_MS)).toEqual([
			90,
		]);
	});
});

describe("planSweep", () => {
	const empty = {
		commits: [],
		packs: [],
		keptSeqs: new Set<number>(),
		named: new Set<string>(),
		pinnedUntilMs: 0,
		condemned: new Set<string>(),
		listed: new Set<string>(),
		nowMs: NOW_MS,
	};
	const pack = (name: string, daysAgo: number) => ({
		key: packKey(name.repeat(64)),
		sizeBytes: 1000,
		timeMs: NOW_MS - daysAgo * DAY_MS,
	});

	it("takes nothing that is kept, named, younger than a day (a pack: than the newest commit by less), or stored before an unreadable commit", () => {
		const anyObject = fc.record({
			seq: fc.integer({ min: 1, max: 300 }),
			timeMs: fc.integer({ min: NOW_MS - 3 * DAY_MS, max: NOW_MS + DAY_MS }),
			isKept: fc.boolean(),
			isNamed: fc.boolean(),
			isCondemned: fc.boolean(),
		});
		fc.assert(
			fc.property(
				fc.uniqueArray(anyObject, { selector: ({ seq }) => seq, maxLength: 40 }),
				fc.constantFrom(0, NOW_MS - 2 * DAY_MS, Number.POSITIVE_INFINITY),
				(objects, pinnedUntilMs) => {
					const commits = objects
						.map(({ seq, timeMs }) => ({ ...at(seq, 0), timeMs }))
						.sort((a, b) => b.seq - a.seq);
					const packs = objects.map(({ seq, timeMs }) => ({
						key: packKey(String(seq)),
						sizeBytes: 1,
						timeMs,
					}));
					const keys = (of: (object: (typeof objects)[number]) => boolean) =>
						new Set(objects.filter(of).flatMap(({ seq }) => [logKey(seq), packKey(String(seq))]));
					const keptSeqs = new Set(objects.filter(({ isKept }) => isKept).map(({ seq }) => seq));
					const condemned = keys(({ isCondemned }) => isCondemned);
					const plan = planSweep({
						...{ commits, packs, keptSeqs, named: keys(({ isNamed }) => isNamed), pinnedUntilMs },
						...{ condemned, listed: condemned, nowMs: NOW_MS },
					});
					const mayGo = objects.filter(
						({ timeMs, isNamed }) =>
							!isNamed && timeMs <= NOW_MS - MIN_AGE_MS && timeMs > pinnedUntilMs,
					);
					expect(plan.commitWaves.flat().map(({ seq }) => seq)).toEqual(
						mayGo
							.filter(({ isKept }) => !isKept)
							.map(({ seq }) => seq)
							.sort((a, b) => b - a),
					);
					const names = (of: readonly { readonly key: string }[]) =>
						of.map(({ key }) => key).sort();
					const headMs = commits[0]?.timeMs ?? 0;
					const expected = (isCondemned: boolean) =>
						mayGo
							.filter(
								(object) =>
									object.isCondemned === isCondemned && object.timeMs <= headMs - MIN_AGE_MS,
							)
							.map(({ seq }) => packKey(String(seq)))
							.sort();
					expect([names(plan.packs), names(plan.toCondemn), plan.waiting]).toEqual([
						expected(true),
						expected(false),
						[],
					]);
				},
			),
		);
	});

	it("deletes a FULL commit after those that are folded onto it, and before older commits", () => {
		const commits = [130, 129, 128, 127, 66, 65, 64, 63, 2, 1].map((seq) => at(seq, 50));
		expect(
			planSweep({ ...empty, commits }).commitWaves.map((wave) => wave.map(({ seq }) => seq)),
		).toEqual([[130, 129], [128], [127, 66, 65], [64], [63, 2, 1]]);
	});

	it("condemns an unnamed pack first, and deletes it only a day after that", () => {
		const packs = [pack("a", 9), pack("b", 9), pack("c", 9), pack("d", 0.5)];
		const [a, b, c] = packs as [(typeof packs)[0], (typeof packs)[0], (typeof packs)[0]];
		const commits = [at(2, 0.5)];
		const plan = planSweep({
			...empty,
			commits,
			packs,
			condemned: new Set([a.key]),
			listed: new Set([a.key, b.key]),
		});
		expect(plan).toEqual({ commitWaves: [], packs: [a], waiting: [b], toCondemn: [c] });
	});

	it("leaves an unnamed pack while the newest commit is not a day younger: one that names it may still come", () => {
		const packs = [pack("a", 9), pack("b", 8.01), pack("c", 7.99)];
		const plan = (daysAgo: number) =>
			planSweep({ ...empty, packs, commits: [at(2, daysAgo)], keptSeqs: new Set([2]) }).toCondemn;
		expect(plan(8.5)).toEqual([]);
		expect(plan(7)).toEqual(packs.slice(0, 2));
		expect(planSweep({ ...empty, packs }).toCondemn).toEqual([]);
	});
});
