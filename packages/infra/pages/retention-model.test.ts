/** The model behind docs/retention-at-scale.md. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { requestsOf, S3_GETS, scalePage, simulateRound } from "./retention-model.ts";

const busy = (users: number, atOnce: number) => simulateRound({ users, activeShare: 1, atOnce });

test("a round never sends more GETs than S3 takes, and with the settings that the page names about half", () => {
	for (const users of [1, 1_000, 100_000, 1_000_000])
		for (const atOnce of [2, 4, 64, 1_000]) {
			const { hours, partitions, shareOfS3 } = busy(users, atOnce);
			expect(shareOfS3).toBeLessThanOrEqual(1 + 1e-9);
			const gets = users * requestsOf(true).gets;
			expect(gets / (hours * 3_600)).toBeLessThan(partitions * S3_GETS);
		}
	expect(busy(100_000, 4).shareOfS3).toBeLessThan(0.5);
	expect(busy(1_000_000, 16).shareOfS3).toBeLessThan(0.55);
});

test("more functions make a round shorter until S3 limits it, and then only more expensive", () => {
	expect(busy(100_000, 4).limit).toBe("functions");
	expect(busy(100_000, 4).hours).toBeLessThan(busy(100_000, 2).hours * 0.6);
	expect(busy(100_000, 4).dollars).toBeCloseTo(busy(100_000, 2).dollars, 5);
	expect(busy(100_000, 64).limit).toBe("S3");
	expect(busy(100_000, 128).hours).toBe(busy(100_000, 64).hours);
	expect(busy(100_000, 128).dollars).toBeGreaterThan(busy(100_000, 64).dollars);
});

test("the default setting does 100,000 users in two days, and 16 functions do a million in a week", () => {
	expect(busy(100_000, 4).hours).toBeLessThan(48);
	expect(busy(1_000_000, 16).hours).toBeLessThan(7 * 24);
	expect(busy(1_000, 4).hours).toBeLessThan(0.5);
});

test("cost is what GETs, LISTs and functions cost, and grows with the users", () => {
	const { gets } = requestsOf(true);
	const getDollars = (users: number) => (users * gets * 0.4) / 1e6;
	const { dollars } = busy(1_000_000, 4);
	expect(dollars).toBeGreaterThan(getDollars(1_000_000));
	expect(dollars).toBeLessThan(1.3 * getDollars(1_000_000));
	expect(busy(1_000, 4).dollars * 1_000).toBeCloseTo(dollars, 0);
});

test("docs/retention-at-scale.md is what the model says", () => {
	const page = new URL("../../../docs/retention-at-scale.md", import.meta.url);
	expect(readFileSync(page, "utf8")).toBe(scalePage());
});
