import { beforeEach, describe, expect, test, vi } from "vitest";
import { localTime, parseTime, parseWhen } from "./when.ts";

/** Wednesday, 14:00 in Berlin. */
const NOW = Date.parse("2026-11-25T13:00:00Z");

beforeEach(() => {
	vi.stubEnv("TZ", "Europe/Berlin");
});

async function time(text: string, nowMs = NOW): Promise<string> {
	const { fromMs, untilMs } = await parseTime(text, nowMs);
	return fromMs === untilMs
		? new Date(fromMs).toISOString()
		: `${new Date(fromMs).toISOString()} to ${new Date(untilMs).toISOString()}`;
}

describe("parseWhen", () => {
	test.each([
		["41", { kind: "number", seq: 41 }],
		["latest", { kind: "latest", back: 0 }],
		["Latest~3", { kind: "latest", back: 3 }],
		["now", { kind: "ago", ms: 0 }],
		["45s", { kind: "ago", ms: 45_000 }],
		["2h", { kind: "ago", ms: 7_200_000 }],
		["1h30m", { kind: "ago", ms: 5_400_000 }],
		["1.5h", { kind: "ago", ms: 5_400_000 }],
		["1d 2h", { kind: "ago", ms: 93_600_000 }],
		["1w", { kind: "ago", ms: 604_800_000 }],
		["2 hours ago", { kind: "ago", ms: 7_200_000 }],
		["an hour and 5 minutes ago", { kind: "ago", ms: 3_900_000 }],
		["3 Days Ago", { kind: "ago", ms: 259_200_000 }],
		["before-upgrade", { kind: "words", text: "before-upgrade" }],
	])("%s", (text, when) => {
		expect(parseWhen(text)).toEqual(when);
	});

	test.each(["", " ", "1.5", "-1", "+2", "a\nb", "x".repeat(201)])("%j has no form", (text) => {
		expect(parseWhen(text)).toBeUndefined();
	});
});

describe("a time", () => {
	test.each([
		["2026-11-23T17:04:05Z", "2026-11-23T17:04:05.000Z"],
		["2026-11-23t17:04:05.5z", "2026-11-23T17:04:05.500Z"],
		["2026-11-23T17:04:05.678+05:30", "2026-11-23T11:34:05.678Z"],
		["2026-11-23 17:04:05 -01:00", "2026-11-23T18:04:05.000Z"],
		["30m", "2026-11-25T12:30:00.000Z"],
	])("%s is that moment in every zone", async (text, moment) => {
		expect(await time(text)).toBe(moment);
		vi.stubEnv("TZ", "Asia/Kathmandu");
		expect(await time(text)).toBe(moment);
	});

	test.each([
		["2026-11-23 17:04", "2026-11-23T16:04:00.000Z"],
		["2026-07-23T17:04:05.25", "2026-07-23T15:04:05.250Z"],
		["10:00", "2026-11-25T09:00:00.000Z"],
		["yesterday 18:00", "2026-11-24T17:00:00.000Z"],
		["yesterday at 6pm", "2026-11-24T17:00:00.000Z"],
		["Monday 9:00", "2026-11-23T08:00:00.000Z"],
		["wednesday 15:00", "2026-11-18T14:00:00.000Z"],
		["23 Nov 5pm", "2026-11-23T16:00:00.000Z"],
		["nov 23 2025 at 17:04:05", "2025-11-23T16:04:05.000Z"],
		["yesterday noon", "2026-11-24T11:00:00.000Z"],
		["a month ago", "2026-10-25T13:00:00.000Z"],
		["3 months ago", "2026-08-25T12:00:00.000Z"],
	])("%s is local", async (text, moment) => {
		expect(await time(text)).toBe(moment);
	});

	test.each([
		["2026-11-23", "2026-11-22T23:00:00.000Z to 2026-11-23T22:59:59.999Z"],
		["today", "2026-11-24T23:00:00.000Z to 2026-11-25T22:59:59.999Z"],
		["yesterday", "2026-11-23T23:00:00.000Z to 2026-11-24T22:59:59.999Z"],
		["monday", "2026-11-22T23:00:00.000Z to 2026-11-23T22:59:59.999Z"],
		["last friday", "2026-11-19T23:00:00.000Z to 2026-11-20T22:59:59.999Z"],
		["friday", "2026-11-19T23:00:00.000Z to 2026-11-20T22:59:59.999Z"],
		["nov 23", "2026-11-22T23:00:00.000Z to 2026-11-23T22:59:59.999Z"],
		["2026-03-29", "2026-03-28T23:00:00.000Z to 2026-03-29T21:59:59.999Z"],
		["2026-10-25", "2026-10-24T22:00:00.000Z to 2026-10-25T22:59:59.999Z"],
	])("%s is all of that day", async (text, day) => {
		expect(await time(text)).toBe(day);
	});

	test("yesterday lasts 23 or 25 hours on the day of a clock change", async () => {
		expect(await time("yesterday", Date.parse("2026-03-30T10:00:00Z"))).toBe(
			"2026-03-28T23:00:00.000Z to 2026-03-29T21:59:59.999Z",
		);
		expect(await time("yesterday 18:00", Date.parse("2026-10-26T10:00:00Z"))).toBe(
			"2026-10-25T17:00:00.000Z",
		);
	});

	// @id when-clock-change-refused
	test("a local time that a clock change skipped or repeated is refused", async () => {
		await expect(time("2026-03-29 02:30")).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining("clocks skipped that local time"),
		});
		await expect(time("yesterday 2:30", Date.parse("2026-10-26T10:00:00Z"))).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining("clocks showed that local time twice"),
			remedy: 'use "2026-10-25 02:30:00 +02:00" or "2026-10-25 02:30:00 +01:00"',
		});
		expect(await time("2026-03-29 03:00")).toBe("2026-03-29T01:00:00.000Z");
		expect(await time("2026-10-25 02:30:00 +01:00")).toBe("2026-10-25T01:30:00.000Z");
	});

	test.each(["18:00", "may 5", "dec 24 2026", "today 23:00"])(
		"%s is in the future",
		async (text) => {
			await expect(time(text)).rejects.toMatchObject({
				code: "USAGE",
				message: expect.stringContaining("it is in the future"),
				remedy: expect.stringContaining("2026-11-25 14:00:00 +01:00"),
			});
		},
	);

	test.each(["tue 23 nov", "sunday nov 23 2026"])(
		"%s has another weekday than its date",
		async (text) => {
			await expect(time(text)).rejects.toMatchObject({
				code: "USAGE",
				message: expect.stringContaining("that date is another day of the week"),
			});
			expect(await time("mon 23 nov")).toBe(await time("nov 23"));
		},
	);

	test.each(["2026-13-01", "2026-02-30", "2026-11-21T25:00", "2026-11-21T10:60", "0026-11-21"])(
		"%s is in no calendar",
		async (text) => {
			await expect(time(text)).rejects.toMatchObject({
				message: expect.stringContaining("no calendar has that time"),
			});
		},
	);

	// @id when-partial-refused
	test.each([
		"yesterday foo",
		"yesterday at 6",
		"monday morning",
		"monday tuesday",
		"yesterday to today",
		"monday or so",
		"tomorrow",
		"last month",
		"last week",
		"nov 2025",
		"midnight",
		"5M",
		"1h and",
		"an ago",
		"ago",
		"5/11/2026",
		"21.11.2026",
		"2026-11-21T10",
		"12:61",
		"yesterday 13pm",
		"feb 30",
		"1e3",
		"0x10",
		"41",
		"latest",
	])("%j is refused, not guessed", async (text) => {
		await expect(time(text)).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining(`${text}: it is not a time`),
		});
	});

	test("what is shown can be typed", async () => {
		for (const zone of ["Europe/Berlin", "UTC", "America/St_Johns", "Asia/Kathmandu"]) {
			vi.stubEnv("TZ", zone);
			expect(await time(localTime(NOW))).toBe(new Date(NOW).toISOString());
		}
	});
});
