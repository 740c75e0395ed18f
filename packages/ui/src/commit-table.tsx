/** The timeline as a table: every commit, the newest first. */
import type { CSSProperties } from "preact";
import { useEffect } from "preact/hooks";
import { ago, bytes, exactTime, localTime, number, printable } from "./format.ts";
import { Icon } from "./icons.tsx";
import { at, describe, go, indexOf, newestSeq, nowMs, rowOf, timeline } from "./state.ts";
import { VirtualList } from "./virtual-list.tsx";
import { t } from "./words.ts";
import { shortWriter, writerColour } from "./writers.ts";

const ROW_PX = 28;
const KEYS: Readonly<Record<string, number>> = {
	ArrowDown: 1,
	ArrowUp: -1,
	PageDown: 10,
	PageUp: -10,
};

export function CommitTable() {
	const data = timeline.value;
	const count = data?.seqs.length ?? 0;
	const active = count - 1 - indexOf(at.value);
	const move = (by: number) => {
		const next = Math.min(count - 1, Math.max(0, active + by));
		go({ at: data?.seqs[count - 1 - next] as number });
	};
	return (
		<div class="commit-table">
			<VirtualList
				count={count}
				rowHeight={ROW_PX}
				active={active}
				root={{
					role: "grid",
					tabIndex: 0,
					class: "grid",
					"aria-label": t("timeline"),
					"aria-rowcount": count + 1,
					"aria-activedescendant": `commit-${at.value}`,
					onKeyDown: (event) => {
						const by = KEYS[event.key];
						if (by !== undefined) move(by);
						else if (event.key === "Home") move(-count);
						else if (event.key === "End") move(count);
						else return;
						event.preventDefault();
					},
				}}
				header={
					<div role="row" aria-rowindex={1} class="grid-row grid-head">
						<span role="columnheader">{t("commit")}</span>
						<span role="columnheader">{t("time")}</span>
						<span role="columnheader" class="right wide">
							{t("changed")}
						</span>
						<span role="columnheader" class="right wide">
							{t("removed")}
						</span>
						<span role="columnheader" class="right wide">
							{t("size")}
						</span>
						<span role="columnheader" class="wide">
							{t("writer")}
						</span>
						<span role="columnheader">{t("paths")}</span>
					</div>
				}
			>
				{(index, style) => <CommitRowView key={index} index={index} style={style} />}
			</VirtualList>
		</div>
	);
}

function CommitRowView({
	index,
	style,
}: {
	readonly index: number;
	readonly style: CSSProperties;
}) {
	const data = timeline.value;
	const place = (data?.seqs.length ?? 0) - 1 - index;
	const seq = data?.seqs[place] ?? 0;
	const row = rowOf(seq);
	useEffect(() => {
		// A page at a time, from a round number down: rows in sight ask for the same page.
		if (row === undefined)
			void describe(Math.min(newestSeq.value, Math.ceil(seq / 100) * 100), 100);
	}, [seq, row === undefined]);
	const time = data?.times[place] ?? 0;
	return (
		<div
			role="row"
			id={`commit-${seq}`}
			aria-rowindex={index + 2}
			aria-selected={seq === at.value}
			class="grid-row"
			style={style}
			onClick={() => go({ at: seq })}
		>
			<span role="gridcell">#{seq}</span>
			<span role="gridcell" title={exactTime(time)}>
				{ago(time, nowMs.value)} <span class="soft wide">{localTime(time)}</span>
			</span>
			<span role="gridcell" class="right wide">
				{row?.changed === undefined ? "" : number(row.changed)}
			</span>
			<span role="gridcell" class="right wide">
				{row?.removed === undefined ? "" : number(row.removed)}
			</span>
			<span role="gridcell" class="right wide">
				{bytes(data?.bytes[place] ?? 0)}
			</span>
			<span role="gridcell" class="writer wide">
				{row?.writer !== undefined && (
					<>
						<span class="dot" style={{ background: `var(${writerColour(row.writer)})` }} />
						{shortWriter(row.writer)}
					</>
				)}
			</span>
			<span role="gridcell">
				{row?.unreadable !== undefined && (
					<span class="badge badge-alarm">
						<Icon name="alarm" /> {t("unreadable")}
					</span>
				)}
				{row?.flags?.map((flag) => (
					<span key={flag} class={`badge badge-${flag}`}>
						{t(flag)}
					</span>
				))}
				{row?.turn === "running" && <span class="badge">{t("during")}</span>}
				{row?.summary !== undefined && printable(row.summary)}
			</span>
		</div>
	);
}
