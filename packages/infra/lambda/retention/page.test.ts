import fc from "fast-check";
import { expect, test } from "vitest";
import { takePage } from "./page.ts";

async function* namesAfter(all: readonly string[], after: string | undefined) {
	yield* all.filter((name) => after === undefined || name > after);
}

test("pages of any size, ended early anywhere, have every name once and in order", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 12 }),
			fc.integer({ min: 1, max: 13 }),
			fc.array(fc.boolean()),
			async (unsorted, limit, ends) => {
				const all = unsorted.sort();
				const seen: string[] = [];
				let next = 0;
				for (;;) {
					const page = await takePage(
						namesAfter(all, seen.at(-1)),
						limit,
						() => ends[next++ % Math.max(1, ends.length)] ?? false,
					);
					expect(page.names.length).toBeLessThanOrEqual(limit);
					seen.push(...page.names);
					if (!page.hasMore) break;
					expect(page.names.length).toBeGreaterThan(0);
				}
				expect(seen).toEqual(all);
			},
		),
	);
});

test("a full page that ends with the last name is the last page", async () => {
	expect(await takePage(namesAfter(["a", "b"], undefined), 2, () => false)).toEqual({
		names: ["a", "b"],
		hasMore: false,
	});
});
