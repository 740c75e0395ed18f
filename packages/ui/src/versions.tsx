/** The versions of one path as a strip, the newest first. Choosing one moves the timeline. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Version } from "../../sidecar/src/ui/api.ts";
import { askLines, isAbort, toAskError } from "./ask.ts";
import { ago, bytes, exactTime, localTime, shownName } from "./format.ts";
import { at, failure, go, nowMs } from "./state.ts";
import { type Key, t } from "./words.ts";
import { writerColour } from "./writers.ts";

type Known = Exclude<Version, { readonly kind: "missing" }>;

interface Versions {
	readonly path: string;
	readonly found: readonly Version[];
	readonly isDone: boolean;
}

export const versions = signal<Versions | undefined>(undefined);

const WORDS: Readonly<Record<Known["kind"], Key>> = {
	created: "created",
	changed: "edited",
	metadata: "metadata",
	deleted: "deleted",
	renamed: "renamed",
	there: "there",
};

function isKnown(version: Version): version is Known {
	return version.kind !== "missing";
}

/** The version that is shown: the newest that is not after the moment. */
export function currentVersion(): Known | undefined {
	return versions.value?.found.filter(isKnown).find(({ seq }) => seq <= at.value);
}

export function newestVersion(): Known | undefined {
	return versions.value?.found.find(isKnown);
}

function useVersions(path: string): void {
	useEffect(() => {
		const stop = new AbortController();
		const load = async () => {
			let found: Version[] = [];
			versions.value = { path, found, isDone: false };
			for await (const each of askLines<Version>("versions", { path }, stop.signal)) {
				found = [...found, each];
				versions.value = { path, found, isDone: false };
			}
			versions.value = { path, found, isDone: true };
		};
		load().catch((error: unknown) => {
			if (!isAbort(error)) failure.value = toAskError(error);
		});
		return () => stop.abort();
	}, [path]);
}

export function VersionStrip({ path }: { readonly path: string }) {
	useVersions(path);
	const strip = useRef<HTMLDivElement>(null);
	const { found = [], isDone = false } = versions.value?.path === path ? versions.value : {};
	const known = found.filter(isKnown);
	const current = currentVersion();
	useEffect(() => {
		strip.current
			?.querySelector('[aria-checked="true"]')
			?.scrollIntoView({ block: "nearest", inline: "nearest" });
	}, [current?.seq, found.length]);
	const choose = (version: Known) => {
		go({ at: version.seq, path: version.kind === "deleted" ? path : version.path });
	};
	const onKeyDown = (event: KeyboardEvent) => {
		const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key as "ArrowUp"];
		const index = current === undefined ? -1 : known.indexOf(current);
		const next =
			event.key === "Home"
				? known[0]
				: event.key === "End"
					? known.at(-1)
					: by === undefined
						? undefined
						: known[index + by];
		if (next === undefined) return;
		choose(next);
		event.preventDefault();
		requestAnimationFrame(() =>
			strip.current?.querySelector<HTMLElement>('[aria-checked="true"]')?.focus(),
		);
	};
	return (
		<div class="versions">
			<div
				ref={strip}
				role="radiogroup"
				class="strip"
				aria-label={t("versionsOf", { name: shownName(path) })}
				aria-busy={!isDone}
				onKeyDown={onKeyDown}
			>
				{known.map((version, index) => {
					const isCurrent = version === current;
					return (
						<button
							key={version.seq}
							type="button"
							role="radio"
							aria-checked={isCurrent}
							tabIndex={isCurrent || (current === undefined && index === 0) ? 0 : -1}
							class={`version version-${version.kind}`}
							title={`#${version.seq}  ${exactTime(version.timeMs)}`}
							onClick={() => choose(version)}
						>
							<span class="version-when">
								<span class="dot" style={{ background: `var(${writerColour(version.writer)})` }} />
								{ago(version.timeMs, nowMs.value)}
							</span>
							<span class="soft">{localTime(version.timeMs)}</span>
							<span class="soft">
								{t(WORDS[version.kind])}
								{version.size !== undefined && version.kind !== "deleted"
									? ` · ${bytes(version.size)}`
									: ""}
								{growth(version)}
							</span>
						</button>
					);
				})}
				{!isDone && <span class="soft version-more">{t("lookingForVersions")}</span>}
				{found
					.filter((each) => each.kind === "missing")
					.map((each, index) => (
						<span key={index} class="soft version-more">
							{each.kind === "missing" && t("missing", { count: each.commits })}
						</span>
					))}
			</div>
		</div>
	);
}

function growth({ size, sizeBefore, kind }: Known): string {
	if (kind !== "changed" || size === undefined || sizeBefore === undefined || size === sizeBefore)
		return "";
	return size > sizeBefore ? ` (+${bytes(size - sizeBefore)})` : ` (−${bytes(sizeBefore - size)})`;
}
