/**
 * The turns of an agent, as annotations of commits tell them: which turns a database knew when it
 * was captured, and so which of them may have made the changes of a commit. Advice, like every
 * annotation: what is not understood is left out.
 */
import type { Annotation, Path } from "./types.ts";

/** The annotation of an agent's database with its newest turns, in JSON. */
export const TURNS = "turns";
/**
 * The annotation of the workspace with the id of the last restore of single paths. It holds until
 * the next one, so a commit with another id than the one before it is that restore.
 */
export const PUT_BACK = "put-back";

const STATUSES = ["running", "done", "stopped", "failed"] as const;

export interface Turn {
	/** Unique in its conversation. */
	readonly id: string;
	/** The conversation, such as `agent:main:main`. */
	readonly session: string;
	readonly status: (typeof STATUSES)[number];
	/** When its message arrived, ms since the epoch by its machine's clock. */
	readonly startedMs: number;
	/** The beginning of the message, masked; missing if it is not kept or could not be read. */
	readonly text?: string | undefined;
}

export type Annotations = readonly Annotation[];

/** Every turn that the annotations name. */
export function turnsIn(annotations: Annotations = []): readonly Turn[] {
	return [...byDatabase(annotations).values()].flat();
}

/**
 * The turns that ran at some time between the commit before and this one.
 *
 * A turn that had ended before is none of them. One that the commit before does not name is, unless
 * it is older than all that are named there: it was then left out for want of room.
 * @param before of the commit before; undefined if it is not known, so that only turns that still run
 * are certain
 */
export function activeTurns(before: Annotations | undefined, after: Annotations = []): Turn[] {
	const known = byDatabase(before ?? []);
	return [...byDatabase(after)].flatMap(([path, turns]) => {
		const earlier = known.get(path);
		const oldestMs = Math.min(...(earlier ?? []).map(({ startedMs }) => startedMs));
		return turns.filter((turn) => {
			if (turn.status === "running") return true;
			if (earlier === undefined) return false;
			const then = earlier.find((each) => isSameTurn(each, turn));
			if (then !== undefined) return then.status === "running";
			return earlier.length === 0 || turn.startedMs >= oldestMs;
		});
	});
}

export function isSameTurn(a: Turn, b: Turn): boolean {
	return a.session === b.session && a.id === b.id;
}

/** Whether single paths were restored between the commit before and this one. */
export function isPutBack(before: Annotations | undefined, after: Annotations = []): boolean {
	const now = putBackIn(after);
	return now !== undefined && before !== undefined && now !== putBackIn(before);
}

function putBackIn(annotations: Annotations): string | undefined {
	return annotations.find(({ path, name }) => path === "" && name === PUT_BACK)?.value;
}

function byDatabase(annotations: Annotations): Map<Path, Turn[]> {
	return new Map(
		annotations
			.filter(({ name }) => name === TURNS)
			.flatMap(({ path, value }) => {
				const turns = parse(value);
				return turns === undefined ? [] : [[path, turns] as const];
			}),
	);
}

/** Undefined if it is of no form that is known. */
function parse(value: string): Turn[] | undefined {
	let list: unknown;
	try {
		list = JSON.parse(value);
	} catch {
		return undefined;
	}
	return Array.isArray(list) ? list.filter(isTurn) : undefined;
}

function isTurn(value: unknown): value is Turn {
	const { id, session, status, startedMs, text } = (value ?? {}) as Readonly<
		Record<string, unknown>
	>;
	return (
		typeof id === "string" &&
		typeof session === "string" &&
		STATUSES.includes(status as Turn["status"]) &&
		Number.isSafeInteger(startedMs) &&
		(text === undefined || typeof text === "string")
	);
}
