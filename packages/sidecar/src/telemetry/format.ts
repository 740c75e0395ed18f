const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `1536` -> `1.5 KiB`. Powers of 1024; three significant digits at most. */
export function humanBytes(bytes: number): string {
	let value = bytes;
	let unit = 0;
	// 999.5 and more would round to a fourth digit.
	while (value >= 999.5 && unit < UNITS.length - 1) {
		value /= 1024;
		unit++;
	}
	return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${UNITS[unit]}`;
}

/** `850` -> `850 ms`, `3200` -> `3.2 s`, `125_000` -> `2 min 05 s`, `3_780_000` -> `1 h 03 min`. */
export function humanDuration(ms: number): string {
	if (ms < 999.5) return `${Math.round(ms)} ms`;
	if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
	const seconds = Math.round(ms / 1000);
	if (seconds < 60) return `${seconds} s`;
	if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
	const minutes = Math.round(seconds / 60);
	return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

/** `12 s ago`, `3 min ago`, `5 h ago`, `2 days ago`: one unit is enough to recognise a commit. */
export function ago(ms: number): string {
	const seconds = Math.max(0, Math.round(ms / 1000));
	if (seconds < 2) return "just now";
	if (seconds < 60) return `${seconds} s ago`;
	if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
	if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
	return `${Math.floor(seconds / 86_400)} days ago`;
}

const threeDigits = (value: number) => String(Number(value.toPrecision(3)));

const pad = (value: number) => String(value).padStart(2, "0");

/** The form of a word that agrees with a number: `plural(2, "differs", "differ")`. */
export function plural(number: number, one: string, other: string): string {
	return number === 1 ? one : other;
}

/** `1234` -> `1,234`. Intl takes 20 ms for the first number. */
function grouped(number: number): string {
	return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 file`, `1,234 files`. */
export function count(number: number, noun: string, other = `${noun}s`): string {
	return `${grouped(number)} ${plural(number, noun, other)}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function inWords(parts: readonly string[]): string {
	return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
