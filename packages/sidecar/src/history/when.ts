/**
 * Reads what people type for a moment or a commit. Local time unless a zone is named; a day means
 * all of it, so its commit is the last one of that day. `resolve-at.ts` finds the commit.
 *
 * Text that is understood only in part, or in two ways, is refused: a guess would restore the wrong
 * version. So is a local time that a clock change skipped or repeated.
 */
import { SidecarError } from "../errors.ts";

/** A moment, or all of a day. Milliseconds since the epoch, both included. */
export interface Period {
	readonly fromMs: number;
	readonly untilMs: number;
}

export type When =
	/** The commit with this number. */
	| { readonly kind: "number"; readonly seq: number }
	/** So many commits before the newest. */
	| { readonly kind: "latest"; readonly back: number }
	| { readonly kind: "ago"; readonly ms: number }
	| ({ readonly kind: "time" } & Period)
	/** A name or a time in words. */
	| { readonly kind: "words"; readonly text: string };

/** The forms, for the one message about text that has none of them. */
export const WHEN_FORMS =
	"use a commit's number (41), 4 or more digits of its ID, a tag, latest, latest~3, an age (2h, 1h30m, 2 hours ago), a local time or day (18:00, yesterday 18:00, monday, 2026-11-23 17:04), or a time with its zone (2026-11-23T17:04:05Z)";

const MS_PER_UNIT = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

const UNITS: Readonly<Record<keyof typeof MS_PER_UNIT, string>> = {
	s: "s|secs?|seconds?",
	m: "m|mins?|minutes?",
	h: "h|hrs?|hours?",
	d: "d|days?",
	w: "w|weeks?",
};
const COUNT = String.raw`(\d{1,6}(?:\.\d{1,3})?|an?(?= ))`;

/** `45s`, `1h30m`, `1.5 hours ago`, `a week ago`, `2 hours and 5 minutes ago`: larger units first. */
const AGE = new RegExp(
	`^${(["w", "d", "h", "m", "s"] as const)
		.map((unit) => `(?:${COUNT} ?(?:${UNITS[unit]})(?![a-z])(?:,? and |, ?| )?)?`)
		.join("")}(ago)?$`,
);

/** `2026-11-23`, `2026-11-23T17:04`, `2026-11-23 17:04:05.678Z`, `… +01:00`. */
const ISO =
	/^(\d{4})-(\d{2})-(\d{2})(?:[t ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?(z|[+-]\d{2}:\d{2}))?)?$/;

/**
 * @returns undefined for text of no form. Words are looked at later: names need the store, times in
 * words its clock
 * @throws SidecarError USAGE for a date that no calendar has, and a local time that a clock change
 * skipped or repeated
 */
export function parseWhen(typed: string): When | undefined {
	const text = normal(typed);
	if (/^\d{1,15}$/.test(text)) return { kind: "number", seq: Number(text) };
	const [isLatest, back = "0"] = /^latest(?:~(\d{1,15}))?$/.exec(text) ?? [];
	if (isLatest !== undefined) return { kind: "latest", back: Number(back) };
	if (text === "now") return { kind: "ago", ms: 0 };
	// In words the case of letters has no meaning, but `5M` may be months.
	const ms = /\d ?M\b/.test(typed) ? undefined : ageMs(text);
	if (ms !== undefined) return { kind: "ago", ms };
	const iso = ISO.exec(text);
	if (iso !== null) return { kind: "time", ...periodOf(typed, partsOfIso(typed, iso)) };
	const words = typed.trim();
	return /^[^\p{Cc}]{1,200}$/u.test(words) && !/^[-+.]?\d+(?:\.\d+)?$/.test(words)
		? { kind: "words", text: words }
		: undefined;
}

/**
 * A time in words, counted from `nowMs`: `yesterday 18:00`, `last friday`, `3 months ago`,
 * `23 Nov 5pm`.
 * @returns undefined for other text
 * @throws SidecarError USAGE for a time that is ambiguous or in the future
 */
export async function parseWords(text: string, nowMs: number): Promise<Period | undefined> {
	const words = normal(text);
	if (!words.split(/[ ,]+/).every((word) => WORD.test(word))) return undefined;
	const { casual } = await import("chrono-node/en");
	const [found, ...more] = casual.parse(words, { instant: new Date(nowMs) });
	if (found === undefined || more.length > 0 || found.end !== null || found.text !== words)
		return undefined;
	const { start } = found;
	if (start.isCertain("hour") && !CLOCK.test(words) && !words.endsWith(" ago")) return undefined;
	// Months and years back keep the time of day.
	const hasTime = start.isCertain("hour") || words.endsWith(" ago");
	// `last month` is not a day.
	if (!hasTime && !start.isCertain("day") && !start.isCertain("weekday")) return undefined;
	const get = (part: "year" | "month" | "day" | "hour" | "minute" | "second") =>
		start.get(part) ?? 0;
	const parts = { year: get("year"), month: get("month"), day: get("day") };
	const weekday = new Date(parts.year, parts.month - 1, parts.day).getDay();
	if (start.isCertain("weekday") && start.isCertain("day") && start.get("weekday") !== weekday)
		throw refused(
			text,
			"that date is another day of the week",
			"leave out the weekday, or name the year as well",
		);
	const time = { hour: get("hour"), minute: get("minute"), second: get("second"), ms: 0 };
	const periodFor = (daysBack: number) =>
		periodOf(text, {
			...parts,
			day: parts.day - daysBack,
			time: hasTime ? time : undefined,
			offsetMinutes: undefined,
		});
	const period = periodFor(0);
	if (period.fromMs <= nowMs) return period;
	// The library takes the nearest one, which may be the next one.
	if (start.isCertain("weekday") && !start.isCertain("day")) return periodFor(7);
	throw refused(
		text,
		"it is in the future",
		`it is ${localTime(nowMs)} by the store's clock; name the day or the year as well`,
	);
}

/**
 * The moment or day of a text that names no commit, such as that of `find --since`.
 * @throws SidecarError USAGE
 */
export async function parseTime(typed: string, nowMs: number): Promise<Period> {
	const when = parseWhen(typed);
	if (when?.kind === "time") return when;
	if (when?.kind === "ago") return { fromMs: nowMs - when.ms, untilMs: nowMs - when.ms };
	const period = when?.kind === "words" ? await parseWords(when.text, nowMs) : undefined;
	if (period !== undefined) return period;
	throw refused(
		typed,
		"it is not a time",
		"use an age (2h, 1h30m, 2 hours ago), a local time or day (yesterday 18:00, monday, 2026-11-23 17:04), or a time with its zone (2026-11-23T17:04:05Z)",
	);
}

/** @returns the error for text that names neither a commit nor a time */
export function unknownWhen(typed: string): SidecarError {
	return refused(typed, "it names neither a commit nor a time", WHEN_FORMS);
}

/** `2026-11-23 17:04:05 +01:00`, which `parseWhen` accepts. */
export function localTime(ms: number): string {
	const date = new Date(ms);
	const two = (number: number) => String(Math.abs(number)).padStart(2, "0");
	const offset = -date.getTimezoneOffset();
	const zone = `${offset < 0 ? "-" : "+"}${two(Math.trunc(offset / 60))}:${two(offset % 60)}`;
	const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
	return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}

/** The words of a time. Others, such as `morning`, would be a guess. */
const WORD =
	/^(?:\d{1,4}|\d{1,2}(?:st|nd|rd|th)|\d{1,2}:\d{2}(?::\d{2})?(?:am|pm)?|\d{1,2}(?:am|pm)|am|pm|noon|today|yesterday|last|at|on|of|an?|ago|months?|years?|(?:mon|tues?|wed|wednes|thu|thurs?|fri|sat|satur|sun)(?:day)?|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)$/;

/** Whether the word is one of a time, such as `monday`. */
export function isTimeWord(word: string): boolean {
	return WORD.test(word.toLowerCase()) || /^(?:tomorrow|now|midnight)$/i.test(word);
}

/** A time of day that leaves no doubt. `at 6` may be either half of the day. */
const CLOCK = /\d:\d{2}|\d ?[ap]m\b|\bnoon\b/;

interface Parts {
	readonly year: number;
	/** From 1. */
	readonly month: number;
	readonly day: number;
	/** Undefined for all of the day. */
	readonly time:
		| {
				readonly hour: number;
				readonly minute: number;
				readonly second: number;
				readonly ms: number;
		  }
		| undefined;
	/** East of UTC; undefined for local time. */
	readonly offsetMinutes: number | undefined;
}

function normal(typed: string): string {
	return typed.trim().replace(/\s+/g, " ").toLowerCase();
}

function ageMs(text: string): number | undefined {
	const found = AGE.exec(text);
	if (found === null || !/^(?:\d|an? )/.test(text) || /(?:,| and)(?: ago)?$/.test(text))
		return undefined;
	const counts = found.slice(1, 6);
	if (counts.every((count) => count === undefined)) return undefined;
	const sizes = [MS_PER_UNIT.w, MS_PER_UNIT.d, MS_PER_UNIT.h, MS_PER_UNIT.m, MS_PER_UNIT.s];
	return counts.reduce(
		(sum, count, index) =>
			sum +
			(count === undefined ? 0 : Number(count.replace(/^an?$/, "1")) * (sizes[index] as number)),
		0,
	);
}

function partsOfIso(typed: string, iso: RegExpExecArray): Parts {
	const [year, month, day, hour, minute, second = 0] = iso
		.slice(1, 7)
		.map((each) => Number(each ?? 0));
	const [, , , , hasTime, , , fraction = "", zone] = iso;
	const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
	const [, sign, hours, minutes] = /^([+-])(\d{2}):(\d{2})$/.exec(zone ?? "") ?? [];
	const parts = {
		...{ year: year as number, month: month as number, day: day as number },
		time:
			hasTime === undefined
				? undefined
				: { hour: hour as number, minute: minute as number, second, ms },
		offsetMinutes:
			zone === undefined
				? undefined
				: (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)),
	};
	const { time = { hour: 0, minute: 0, second: 0 } } = parts;
	const last = new Date(Date.UTC(parts.year, parts.month, 0)).getUTCDate();
	const isReal =
		parts.year >= 1970 &&
		parts.month >= 1 &&
		parts.month <= 12 &&
		parts.day >= 1 &&
		parts.day <= last &&
		time.hour <= 23 &&
		time.minute <= 59 &&
		time.second <= 59 &&
		Number(hours ?? 0) <= 23 &&
		Number(minutes ?? 0) <= 59;
	if (!isReal) throw refused(typed, "no calendar has that time", WHEN_FORMS);
	return parts;
}

function periodOf(typed: string, { year, month, day, time, offsetMinutes }: Parts): Period {
	if (time === undefined) {
		// A clock change may skip midnight: the day then starts later.
		const startOf = (day: number) => new Date(year, month - 1, day).getTime();
		return { fromMs: startOf(day), untilMs: startOf(day + 1) - 1 };
	}
	const { hour, minute, second, ms } = time;
	const asUtc = Date.UTC(year, month - 1, day, hour, minute, second, ms);
	if (offsetMinutes !== undefined) {
		const at = asUtc - offsetMinutes * 60_000;
		return { fromMs: at, untilMs: at };
	}
	// A clock change within a day of it shows in the two offsets.
	const candidates = [asUtc - 86_400_000, asUtc + 86_400_000]
		.map((near) => asUtc + new Date(near).getTimezoneOffset() * 60_000)
		.filter((at) => at - new Date(at).getTimezoneOffset() * 60_000 === asUtc);
	const [at, other = at] = candidates;
	if (at === undefined)
		throw refused(typed, "clocks skipped that local time", "use an earlier or a later time");
	if (other !== at)
		throw refused(
			typed,
			"clocks showed that local time twice",
			`use "${localTime(Math.min(at, other as number))}" or "${localTime(Math.max(at, other as number))}"`,
		);
	return { fromMs: at, untilMs: at };
}

function refused(typed: string, reason: string, remedy: string): SidecarError {
	return new SidecarError("USAGE", { value: typed === "" ? '""' : typed, reason, remedy });
}
