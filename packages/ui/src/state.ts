/** What the page shows now, and what it knows of the log. */
import { batch, computed, effect, signal } from "@preact/signals";
import type {
	About,
	CommitRow,
	Commits,
	Moment,
	State,
	Timeline,
} from "../../sidecar/src/ui/api.ts";
import { type AskError, ask, isAbort, toAskError } from "./ask.ts";

export type View = "files" | "changes" | "quarantine" | "disk";
export const VIEWS: readonly View[] = ["files", "changes", "quarantine", "disk"];

export const about = signal<About | undefined>(undefined);
export const timeline = signal<Timeline | undefined>(undefined);
/** The commit whose tree is shown; 0: the log is empty. */
export const at = signal(0);
/** The chosen path; undefined: none. */
export const path = signal<string | undefined>(undefined);
export const view = signal<View>("files");
/** Totals of the tree at `at`. */
export const moment = signal<Moment | undefined>(undefined);
/** A failure that concerns the whole page. */
export const failure = signal<AskError | undefined>(undefined);
export const state = signal<State | undefined>(undefined);
/** Read out by screen readers. */
export const announcement = signal("");

/** The store's clock, as far as the page knows it. */
const clock = signal({ storeMs: Date.now(), localMs: Date.now() });
const tick = signal(0);
export const nowMs = computed(() => {
	tick.value;
	return clock.value.storeMs + Date.now() - clock.value.localMs;
});
setInterval(() => tick.value++, 30_000);

export const newestSeq = computed(() => timeline.value?.seqs.at(-1) ?? 0);

/** Descriptions of commits, by number. */
const rows = new Map<number, CommitRow>();
export const rowsVersion = signal(0);

export function rowOf(seq: number): CommitRow | undefined {
	rowsVersion.value;
	return rows.get(seq);
}

export function describedRows(): ReadonlyMap<number, CommitRow> {
	rowsVersion.value;
	return rows;
}

const COMMITS_AT_ONCE = 100;
const asked = new Set<number>();

/** Describes the commits from `from` down, unless that was asked for already. */
export async function describe(from: number, limit = COMMITS_AT_ONCE): Promise<void> {
	if (from < 1 || rows.has(from) || asked.has(from)) return;
	asked.add(from);
	try {
		const { commits } = await ask<Commits>("commits", { from, limit });
		for (const row of commits) rows.set(row.seq, row);
		rowsVersion.value++;
	} catch (error) {
		if (!isAbort(error)) failure.value = toAskError(error);
	} finally {
		asked.delete(from);
	}
}

/** How far the description goes by itself: each commit is a request to the store. */
const DESCRIBED_ALONE = 1_000;
export const describing = signal(false);

/** Describes commits, newest first, while the page is visible. */
export async function describeMore(most = DESCRIBED_ALONE): Promise<void> {
	if (describing.value) return;
	describing.value = true;
	try {
		const seqs = timeline.value?.seqs ?? [];
		for (let index = seqs.length - 1; index >= 0 && seqs.length - index <= most; index--) {
			const seq = seqs[index] as number;
			if (rows.has(seq)) continue;
			if (document.hidden) await visible();
			const before = rows.size;
			await describe(seq);
			if (rows.size === before) return;
		}
	} finally {
		describing.value = false;
	}
}

async function visible(): Promise<void> {
	await new Promise<void>((resolve) => {
		document.addEventListener("visibilitychange", () => resolve(), { once: true });
	});
}

export function takeClock(storeMs: number): void {
	clock.value = { storeMs, localMs: Date.now() };
}

export async function loadTimeline(): Promise<void> {
	const wasNewest = at.value === newestSeq.value;
	const found = await ask<Timeline>("timeline");
	batch(() => {
		timeline.value = found;
		takeClock(found.nowMs);
		const newest = found.seqs.at(-1) ?? 0;
		if (at.value === 0 || (wasNewest && path.value === undefined)) at.value = newest;
	});
	await describe(newestSeq.value);
	void describeMore().catch(() => {});
}

/** Index of the newest commit that is not after `seq`. */
export function indexOf(seq: number): number {
	const seqs = timeline.value?.seqs ?? [];
	let [low, high] = [0, seqs.length - 1];
	while (low < high) {
		const middle = (low + high + 1) >> 1;
		if ((seqs[middle] as number) <= seq) low = middle;
		else high = middle - 1;
	}
	return low;
}

/** Moves by commits; negative: to older ones. */
export function step(by: number): void {
	const seqs = timeline.value?.seqs ?? [];
	const index = Math.min(seqs.length - 1, Math.max(0, indexOf(at.value) + by));
	const seq = seqs[index];
	if (seq !== undefined) go({ at: seq });
}

interface Place {
	readonly at: number;
	readonly path: string | undefined;
	readonly view: View;
}

/** Goes somewhere. The browser's Back leads back; no path is in the address. */
export function go(next: Partial<Place>, replaces = false): void {
	const place: Place = {
		at: next.at ?? at.value,
		path: "path" in next ? next.path : path.value,
		view: next.view ?? view.value,
	};
	const isSameKind = place.path === path.value && place.view === view.value;
	show(place);
	// Steps through time make one entry.
	if (replaces || isSameKind) history.replaceState(place, "");
	else history.pushState(place, "");
}

function show(place: Place): void {
	batch(() => {
		at.value = place.at;
		path.value = place.path;
		view.value = place.view;
	});
}

function isPlace(value: unknown): value is Place {
	return typeof value === "object" && value !== null && "at" in value && "view" in value;
}

addEventListener("popstate", (event) => {
	if (isPlace(event.state)) show(event.state);
});

export async function start(): Promise<void> {
	try {
		const kept: unknown = history.state;
		const found = ask<About>("about");
		await loadTimeline();
		about.value = await found;
		if (isPlace(kept) && kept.at <= newestSeq.value) show(kept);
		history.replaceState({ at: at.value, path: path.value, view: view.value }, "");
	} catch (error) {
		failure.value = toAskError(error);
	}
}

/** Totals of the tree that is shown. */
effect(() => {
	const seq = at.value;
	if (seq === 0) return;
	const stop = new AbortController();
	ask<Moment>("moment", { at: seq }, stop.signal).then(
		(found) => {
			moment.value = found;
		},
		() => {},
	);
	return () => stop.abort();
});
