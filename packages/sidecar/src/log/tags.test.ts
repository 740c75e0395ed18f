import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logKey } from "./keys.ts";
import { DAY_MS, DEFAULT_RETENTION, retainedSeqs } from "./plan-retention.ts";
import { decidingTags, isTagName, parseTagKey, type TagKey, taggedSeqs, tagKey } from "./tags.ts";

const anyName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/);
const anyTag: fc.Arbitrary<TagKey> = fc.record({
	name: fc.oneof(fc.constantFrom("a", "b"), anyName),
	generation: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
	seq: fc.integer({ min: 0, max: 2 ** 48 - 2 }),
});

describe("a tag's key", () => {
	it("says the name, the generation and the commit", () => {
		expect(tagKey({ name: "v1.0", generation: 2, seq: 41 })).toBe(
			"tags/v1.0/00000002-000000000029",
		);
		fc.assert(
			fc.property(anyTag, (tag) => {
				expect(parseTagKey(tagKey(tag))).toEqual(tag);
			}),
		);
	});

	it.each([
		"tags/v1/00000000-000000000001",
		"tags/v1/1-1",
		"tags/1v/00000001-000000000001",
		"tags/v1/x/00000001-000000000001",
		"tags/v1/00000001-00000000000A",
		"tags/v1/00000001-ffffffffffff",
		"tags/v1",
		logKey(1),
	])("%s is not one", (key) => {
		expect(parseTagKey(key)).toBeUndefined();
	});

	it.each(["", "1st", "-a", ".a", "a b", "a/b", "ä", "x".repeat(65)])("%j is no name", (name) => {
		expect(isTagName(name)).toBe(false);
	});
});

// @id newest-generation-decides
it("the newest generation of a name decides, in whatever order the keys come", () => {
	fc.assert(
		fc.property(fc.array(anyTag, { maxLength: 20 }), fc.nat(), (made, turn) => {
			const keys = made.map(tagKey);
			const turned = [...keys.slice(turn % 7), ...keys.slice(0, turn % 7)];
			const deciding = decidingTags(turned);
			expect(deciding).toEqual(decidingTags(keys));
			for (const { name, generation } of made)
				expect(deciding.get(name)?.generation).toBeGreaterThanOrEqual(generation);
			expect(new Set(deciding.keys())).toEqual(new Set(made.map(({ name }) => name)));
		}),
	);
	const keys = [
		tagKey({ name: "a", generation: 1, seq: 5 }),
		tagKey({ name: "a", generation: 2, seq: 0 }),
		tagKey({ name: "b", generation: 1, seq: 7 }),
		tagKey({ name: "b", generation: 1, seq: 6 }),
		"tags/not one",
	];
	expect([...taggedSeqs(keys)]).toEqual([7]);
});

// @id tagged-commits-retained
it("retention keeps every commit that a tag names, at any age, and none other for it", () => {
	const nowMs = 20_000 * DAY_MS;
	const anyLog = fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 30 });
	fc.assert(
		fc.property(anyLog, fc.array(fc.integer({ min: 1, max: 40 })), (ages, tags) => {
			const commits = ages
				.sort((a, b) => a - b)
				.map((age, index) => ({ seq: ages.length - index, timeMs: nowMs - age * DAY_MS }));
			const tagged = new Set(tags);
			const plain = new Set(retainedSeqs(commits, DEFAULT_RETENTION, nowMs));
			const kept = new Set(retainedSeqs(commits, DEFAULT_RETENTION, nowMs, tagged));
			for (const { seq } of commits) expect(kept.has(seq)).toBe(plain.has(seq) || tagged.has(seq));
		}),
	);
});
