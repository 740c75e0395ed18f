/** How much history is kept, as flags: for retention, and for commands that check it. */
import { SidecarError } from "../errors.ts";
import { MIN_AGE_MS } from "../log/plan-retention.ts";

export const POLICY_OPTIONS = [
	{
		flags: "--keep-all <TIME>",
		description: "Keep every state for this long: 36h, 7d, 2w. At least 1d. (default: 7d)",
	},
	{
		flags: "--keep-daily <TIME>",
		description:
			"After that, keep the state at each midnight (UTC) for this long; 0d: none. (default: 30d)",
	},
] as const;

export function policyFlags({ keepAll, keepDaily }: Readonly<Record<string, unknown>>) {
	const keepAllMs = msOf("--keep-all", keepAll);
	if (keepAllMs !== undefined && keepAllMs < MIN_AGE_MS)
		throw new SidecarError("USAGE", {
			value: String(keepAll),
			reason: "flag --keep-all must be at least 1d: nothing younger is ever deleted",
		});
	return { keepAllMs, keepDailyMs: msOf("--keep-daily", keepDaily) };
}

const MS_PER_UNIT = { h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** @throws SidecarError USAGE */
function msOf(flag: string, value: unknown): number | undefined {
	if (value === undefined) return undefined;
	const text = String(value);
	const [, count, unit] = /^(\d{1,6})([hdw])$/.exec(text) ?? [];
	if (count !== undefined) return Number(count) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT];
	throw new SidecarError("USAGE", {
		value: text || '""',
		reason: `flag ${flag} accepts a number of hours, days or weeks: 36h, 7d, 2w`,
	});
}
