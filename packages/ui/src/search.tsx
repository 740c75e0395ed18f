/** Search by name, at the moment of the timeline; on request also among files that are gone. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Deleted, SearchResult } from "../../sidecar/src/ui/api.ts";
import { ask, askLines, isAbort, toAskError } from "./ask.ts";
import { reveal } from "./file-tree.tsx";
import { bytes, printable } from "./format.ts";
import { Icon } from "./icons.tsx";
import { announcement, at, failure } from "./state.ts";
import { t } from "./words.ts";

const PAUSE_MS = 150;

export const searchText = signal("");
const withDeleted = signal(false);
const result = signal<SearchResult | undefined>(undefined);
const gone = signal<readonly Deleted[]>([]);
const isLooking = signal(false);

export function SearchBox() {
	const input = useRef<HTMLInputElement>(null);
	useEffect(() => {
		const onKey = (event: KeyboardEvent) => {
			const target = event.target as HTMLElement;
			if (event.key !== "/" || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
			event.preventDefault();
			input.current?.focus();
		};
		document.addEventListener("keydown", onKey);
		return () => document.removeEventListener("keydown", onKey);
	}, []);
	useEffect(() => {
		const text = searchText.value.trim();
		const seq = at.value;
		if (text === "") {
			result.value = undefined;
			gone.value = [];
			return;
		}
		const stop = new AbortController();
		const timer = setTimeout(() => look(text, seq, stop.signal), PAUSE_MS);
		return () => {
			clearTimeout(timer);
			stop.abort();
		};
	}, [searchText.value, at.value, withDeleted.value]);
	return (
		<search class="search">
			<label class="visually-hidden" for="search">
				{t("searchFor")}
			</label>
			<Icon name="search" />
			<input
				id="search"
				ref={input}
				type="search"
				autocomplete="off"
				spellcheck={false}
				placeholder={t("searchHint")}
				value={searchText.value}
				aria-keyshortcuts="/"
				onInput={(event) => {
					searchText.value = event.currentTarget.value;
				}}
				onKeyDown={(event) => {
					if (event.key === "Escape") searchText.value = "";
					const first = result.value?.found[0];
					if (event.key === "Enter" && first !== undefined) open(first.path, at.value);
					if (event.key === "ArrowDown")
						document.querySelector<HTMLElement>(".results button")?.focus();
				}}
			/>
		</search>
	);
}

async function look(text: string, seq: number, signal: AbortSignal): Promise<void> {
	isLooking.value = true;
	try {
		const found = await ask<SearchResult>("search", { at: seq, text }, signal);
		result.value = found;
		announcement.value = t("found", { count: found.total });
		gone.value = [];
		if (!withDeleted.value) return;
		for await (const each of askLines<Deleted>("deleted", { text }, signal))
			gone.value = [...gone.value, each];
	} catch (error) {
		if (!isAbort(error)) failure.value = toAskError(error);
	} finally {
		if (!signal.aborted) isLooking.value = false;
	}
}

function open(path: string, seq: number): void {
	reveal(path, seq).then(
		() => document.querySelector<HTMLElement>(".file-pane h2")?.focus(),
		(error) => {
			failure.value = toAskError(error);
		},
	);
}

export function SearchResults() {
	const found = result.value;
	const move = (event: KeyboardEvent) => {
		const by = { ArrowDown: 1, ArrowUp: -1 }[event.key as "ArrowDown"];
		if (by === undefined) return;
		const all = [...document.querySelectorAll<HTMLElement>(".results button")];
		all[all.indexOf(event.target as HTMLElement) + by]?.focus();
		event.preventDefault();
	};
	return (
		<section class="results" aria-label={t("search")} aria-busy={isLooking.value}>
			<p class="results-head">
				<span class="soft">
					{found === undefined
						? t("loading")
						: found.total === 0
							? t("nothingFound")
							: found.total > found.found.length
								? t("foundFirst", { count: found.total, shown: found.found.length })
								: t("found", { count: found.total })}
				</span>
				<label class="check">
					<input
						type="checkbox"
						checked={withDeleted.value}
						onChange={(event) => {
							withDeleted.value = event.currentTarget.checked;
						}}
					/>
					{t("alsoDeleted")}
				</label>
			</p>
			<ul onKeyDown={move}>
				{found?.found.map((each) => (
					<li key={each.path}>
						<button type="button" onClick={() => open(each.path, found.seq)}>
							<Icon name={each.type} />
							<PathName path={each.path} />
							<span class="size">{bytes(each.size ?? 0)}</span>
						</button>
					</li>
				))}
				{gone.value.map((each) => (
					<li key={`gone ${each.path}`}>
						<button type="button" class="is-gone" onClick={() => open(each.path, each.seq)}>
							<Icon name={each.type} />
							<PathName path={each.path} />
							<span class="badge">{t("goneIn", { seq: each.deletedIn })}</span>
						</button>
					</li>
				))}
			</ul>
		</section>
	);
}

/** The name first in weight, and its directory beside it. */
export function PathName({ path }: { readonly path: string }) {
	const slash = path.lastIndexOf("/");
	return (
		<span class="path-name">
			{/* In two parts, a screen reader would pause between them. */}
			<span class="visually-hidden">{printable(path)}</span>
			<span class="soft path-directory" aria-hidden="true">
				{printable(path.slice(0, slash + 1))}
			</span>
			<span class="path-base" aria-hidden="true">
				{printable(path.slice(slash + 1))}
			</span>
		</span>
	);
}
