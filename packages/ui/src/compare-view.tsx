/** What differs between two moments. */
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Compared, Difference } from "../../sidecar/src/ui/api.ts";
import { ask, isAbort, toAskError } from "./ask.ts";
import { DifferenceView } from "./difference-view.tsx";
import { bytes, printable } from "./format.ts";
import { Icon } from "./icons.tsx";
import { PathName } from "./search.tsx";
import { at, go, timeline } from "./state.ts";
import { VirtualList } from "./virtual-list.tsx";
import { t } from "./words.ts";

const PAGE = 500;
const ROW_PX = 28;
const MARKS = { added: "+", removed: "−", changed: "~" } as const;

/** As it is typed; "": the commit before the moment of the timeline. */
const fromText = signal("");

export function CompareView() {
	const compared = useSignal<Compared | undefined>(undefined);
	const problem = useSignal<string | undefined>(undefined);
	const chosen = useSignal<string | undefined>(undefined);
	const active = useSignal(0);
	const to = at.value;
	const from = fromText.value === "" ? (before(to) ?? to) : fromText.value;
	useEffect(() => {
		const stop = new AbortController();
		const wanted = typeof from === "string" && /^\d+$/.test(from) ? Number(from) : from;
		const request = { from: wanted, to, offset: 0, limit: PAGE };
		ask<Compared>("compare", request, stop.signal).then(
			(found) => {
				problem.value = undefined;
				compared.value = found;
				active.value = 0;
				if (!found.differences.some(({ path }) => path === chosen.value)) chosen.value = undefined;
			},
			(error) => {
				if (!isAbort(error)) problem.value = toAskError(error).message;
			},
		);
		return () => stop.abort();
	}, [from, to]);
	const found = compared.value;
	const rows = found?.differences ?? [];
	const choose = (index: number) => {
		active.value = Math.min(rows.length - 1, Math.max(0, index));
		chosen.value = rows[active.value]?.path;
	};
	return (
		<div class={`split ${chosen.value === undefined ? "" : "has-choice"}`}>
			<section class="list-pane" aria-label={t("changes")}>
				<form
					class="compare-head"
					onSubmit={(event) => {
						event.preventDefault();
						const input = event.currentTarget.elements.namedItem("from") as HTMLInputElement;
						fromText.value = input.value.trim();
					}}
				>
					<label for="compare-from">{t("from")}</label>
					<input
						id="compare-from"
						name="from"
						autocomplete="off"
						spellcheck={false}
						placeholder={t("previousCommit")}
						aria-invalid={problem.value !== undefined}
						defaultValue={fromText.value}
					/>
					<button type="submit">{t("compare")}</button>
					<span class="soft">{found !== undefined && `#${found.from} → #${found.to}`}</span>
				</form>
				{problem.value !== undefined && (
					<p class="problem" role="alert">
						{problem.value}
					</p>
				)}
				{found !== undefined && (
					<p class="results-head soft">
						{found.total === 0 ? t("noDifference") : t("countsOf", found.counts)}
					</p>
				)}
				{rows.length > 0 && (
					<VirtualList
						count={rows.length}
						rowHeight={ROW_PX}
						active={active.value}
						root={{
							role: "listbox",
							tabIndex: 0,
							class: "differences",
							"aria-label": t("changes"),
							"aria-activedescendant": `difference-${active.value}`,
							onKeyDown: (event) => {
								const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[
									event.key as "ArrowDown"
								];
								if (by !== undefined) choose(active.value + by);
								else if (event.key === "Home") choose(0);
								else if (event.key === "End") choose(rows.length - 1);
								else return;
								event.preventDefault();
							},
						}}
					>
						{(index, style) => {
							const each = rows[index] as Difference;
							return (
								<div
									role="option"
									key={each.path}
									id={`difference-${index}`}
									aria-selected={each.path === chosen.value}
									class={`difference-row ${index === active.value ? "is-active" : ""}`}
									style={style}
									onClick={() => choose(index)}
								>
									<span class={`mark mark-${each.kind}`}>{MARKS[each.kind]}</span>
									<PathName path={each.path} />
									{each.secret === true && <Icon name="lock" />}
									<span class="size">{sizes(each)}</span>
								</div>
							);
						}}
					</VirtualList>
				)}
			</section>
			<section class="file-pane" aria-label={t("preview")}>
				{chosen.value === undefined || found === undefined ? (
					<p class="notice">{t("chooseChange")}</p>
				) : (
					<>
						<div class="file-head">
							<button
								type="button"
								class="icon-button back"
								aria-label={t("back")}
								onClick={() => {
									chosen.value = undefined;
								}}
							>
								<Icon name="left" />
							</button>
							<div class="file-title">
								<h2>{printable(chosen.value)}</h2>
							</div>
							<div class="file-actions">
								<button type="button" onClick={() => go({ path: chosen.value, view: "files" })}>
									<Icon name="file" />
									{t("versions")}
								</button>
							</div>
						</div>
						<div class="file-body" role="region" aria-label={t("difference")} tabIndex={0}>
							<DifferenceView path={chosen.value} from={found.from} to={found.to} />
						</div>
					</>
				)}
			</section>
		</div>
	);
}

/** The next older commit. */
function before(seq: number): number | undefined {
	return timeline.value?.seqs.findLast((each) => each < seq);
}

function sizes({ sizeBefore, sizeAfter }: Difference): string {
	if (sizeBefore === undefined) return sizeAfter === undefined ? "" : bytes(sizeAfter);
	if (sizeAfter === undefined || sizeAfter === sizeBefore) return bytes(sizeBefore);
	return `${bytes(sizeBefore)} → ${bytes(sizeAfter)}`;
}
