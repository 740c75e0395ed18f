/** Numbers, times and names for people. */
import { baseOf } from "./paths.ts";
import { locale, t } from "./words.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** As the command prints it. */
export function bytes(value: number): string {
	let shown = value;
	let unit = 0;
	while (shown >= 999.5 && unit < UNITS.length - 1) {
		shown /= 1024;
		unit++;
	}
	return `${unit === 0 ? Math.round(shown) : Number(shown.toPrecision(3))} ${UNITS[unit]}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
	const key = `${locale.value} ${name}`;
	const known = formats.get(key);
	if (known !== undefined) return known;
	const made = new Intl.DateTimeFormat(locale.value, options);
	formats.set(key, made);
	return made;
}

/** Local time to the minute: `23 Nov 2026, 17:04`. */
export function localTime(ms: number): string {
	return format("minute", {
		...{ year: "numeric", month: "short", day: "numeric" },
		...{ hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
	}).format(ms);
}

/** With seconds, for a title. */
export function exactTime(ms: number): string {
	return format("second", {
		...{ dateStyle: "full", timeStyle: "medium" },
		hourCycle: "h23",
	} as Intl.DateTimeFormatOptions).format(ms);
}

/** `17:04`. */
function clockTime(ms: number): string {
	return format("clock", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);
}

const STEPS = [
	[60, "second", 1],
	[3_600, "minute", 60],
	[86_400, "hour", 3_600],
	[30 * 86_400, "day", 86_400],
	[365 * 86_400, "month", 30 * 86_400],
	[Number.POSITIVE_INFINITY, "year", 365 * 86_400],
] as const;

const relatives = new Map<string, Intl.RelativeTimeFormat>();

/** `3 min ago`, `yesterday`. */
export function ago(ms: number, nowMs: number): string {
	const seconds = Math.max(0, Math.round((nowMs - ms) / 1000));
	if (seconds < 10) return t("ago_now");
	const [, unit, size] = STEPS.find(([limit]) => seconds < limit) ?? STEPS[0];
	const days = daysBetween(ms, nowMs);
	// Yesterday is a day of the calendar; in the small hours "3 h ago" says more.
	const isYesterday = days === 1 && seconds >= 12 * 3_600;
	const amount = unit === "day" ? days : Math.floor(seconds / size);
	let relative = relatives.get(locale.value);
	if (relative === undefined) {
		relative = new Intl.RelativeTimeFormat(locale.value, { numeric: "auto", style: "short" });
		relatives.set(locale.value, relative);
	}
	return isYesterday ? relative.format(-1, "day") : relative.format(-amount, unit);
}

function daysBetween(fromMs: number, toMs: number): number {
	const start = (ms: number) => new Date(ms).setHours(0, 0, 0, 0);
	// A day of a clock change has 23 or 25 hours.
	return Math.round((start(toMs) - start(fromMs)) / 86_400_000);
}

/** `12:00`; at midnight the day. */
export function axisTime(ms: number): string {
	const date = new Date(ms);
	return date.getHours() === 0 && date.getMinutes() === 0
		? format("day", { month: "short", day: "numeric" }).format(date)
		: clockTime(ms);
}

export function number(value: number): string {
	return value.toLocaleString(locale.value);
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;

/** A name cannot reorder or hide what is around it. */
export function printable(text: string): string {
	return text.replace(
		UNPRINTABLE,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}

/** The name of a path, for people. */
export function shownName(path: string): string {
	return printable(baseOf(path));
}
