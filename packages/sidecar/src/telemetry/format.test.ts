import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { humanBytes, humanDuration } from "./format.ts";

describe("humanBytes", () => {
	test.each([
		[0, "0 B"],
		[999, "999 B"],
		[1000, "0.977 KiB"],
		[1024, "1 KiB"],
		[1536, "1.5 KiB"],
		[10 * 1024, "10 KiB"],
		[1023 * 1024, "0.999 MiB"],
		[300 * 1024 ** 2, "300 MiB"],
		[1024 ** 3, "1 GiB"],
		[1024 ** 7, "1050000 PiB"],
	])("%d -> %s", (bytes, text) => expect(humanBytes(bytes)).toBe(text));

	test("shows at most three digits and is within 0.5 % of the value", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (bytes) => {
				const [value = "", unit = ""] = humanBytes(bytes).split(" ");
				expect(value.replace(/^0\.|\./, "").length).toBeLessThanOrEqual(3);
				const shown =
					Number(value) * 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].indexOf(unit);
				expect(Math.abs(shown - bytes)).toBeLessThanOrEqual(bytes * 0.005 + 1e-6);
			}),
		);
	});
});

describe("humanDuration", () => {
	test.each([
		[0, "0 ms"],
		[850.4, "850 ms"],
		[999.7, "1.0 s"],
		[3_200, "3.2 s"],
		[9_960, "10 s"],
		[59_499, "59 s"],
		[59_600, "1 min 00 s"],
		[125_000, "2 min 05 s"],
		[3_599_600, "1 h 00 min"],
		[3_780_000, "1 h 03 min"],
	])("%d -> %s", (ms, text) => expect(humanDuration(ms)).toBe(text));
});
