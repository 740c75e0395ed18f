/** The timeline with its controls: a chart, or the same as a table. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Moment } from "../../sidecar/src/ui/api.ts";
import { ask, toAskError } from "./ask.ts";
import { CommitTable } from "./commit-table.tsx";
import { ago, bytes, exactTime, localTime, number } from "./format.ts";
import { Icon } from "./icons.tsx";
import {
	announcement,
	at,
	describe,
	describedRows,
	describeMore,
	describing,
	go,
	indexOf,
	moment,
	newestSeq,
	nowMs,
	rowOf,
	step,
	timeline,
} from "./state.ts";
import { type ChartHandle, TimelineChart } from "./timeline-chart.tsx";
import { t } from "./words.ts";
import { shortWriter, writerColour, writers } from "./writers.ts";

const KEYS: Readonly<Record<string, number>> = {
	ArrowLeft: -1,
	ArrowDown: -1,
	ArrowRight: 1,
	ArrowUp: 1,
	PageDown: -10,
	PageUp: 10,
	Home: Number.NEGATIVE_INFINITY,
	End: Number.POSITIVE_INFINITY,
};

export function TimelinePanel() {
	const isTable = useSignal(false);
	const handle = useRef<ChartHandle | null>(null);
	const data = timeline.value;
	if (data === undefined) return <section class="timeline timeline-loading" aria-busy="true" />;
	if (data.seqs.length === 0) return <p class="notice">{t("emptyLog")}</p>;
	return (
		<section class="timeline" aria-label={t("timeline")}>
			<MomentBar />
			{isTable.value ? (
				<CommitTable />
			) : (
				<div
					class="chart-slider"
					role="slider"
					tabIndex={0}
					aria-label={t("timeline")}
					aria-description={t("timelineHelp")}
					aria-orientation="horizontal"
					aria-valuemin={1}
					aria-valuemax={data.seqs.length}
					aria-valuenow={indexOf(at.value) + 1}
					aria-valuetext={`${t("commitNumber", { seq: at.value })}, ${localTime(data.times[indexOf(at.value)] as number)}`}
					onKeyDown={(event) => {
						if (event.ctrlKey || event.metaKey || event.altKey) return;
						const by = KEYS[event.key];
						if (by !== undefined) step(by);
						else if (event.key === "+" || event.key === "=") handle.current?.zoom(0.5);
						else if (event.key === "-") handle.current?.zoom(2);
						else if (event.key === "0") handle.current?.all();
						else return;
						event.preventDefault();
					}}
				>
					<TimelineChart handle={handle} />
				</div>
			)}
			<div class="timeline-foot">
				<Legend />
				<div class="buttons">
					{!isTable.value && (
						<>
							<IconButton
								name="plus"
								label={t("zoomIn")}
								onClick={() => handle.current?.zoom(0.5)}
							/>
							<IconButton
								name="minus"
								label={t("zoomOut")}
								onClick={() => handle.current?.zoom(2)}
							/>
							<IconButton name="all" label={t("zoomAll")} onClick={() => handle.current?.all()} />
						</>
					)}
					<button
						type="button"
						class="quiet"
						onClick={() => {
							isTable.value = !isTable.value;
						}}
					>
						<Icon name={isTable.value ? "chart" : "table"} />
						{t(isTable.value ? "asChart" : "asTable")}
					</button>
				</div>
			</div>
		</section>
	);
}

/** Which moment is shown, and how to go to another. */
function MomentBar() {
	const seq = at.value;
	const data = timeline.value;
	const time = data?.times[indexOf(seq)] ?? 0;
	const row = rowOf(seq);
	const totals = moment.value?.seq === seq ? moment.value : undefined;
	useEffect(() => {
		void describe(seq);
	}, [seq]);
	return (
		<div class="moment">
			<div class="buttons">
				<IconButton
					name="left"
					label={t("older")}
					onClick={() => step(-1)}
					disabled={seq === data?.seqs[0]}
				/>
				<IconButton
					name="right"
					label={t("newer")}
					onClick={() => step(1)}
					disabled={seq === newestSeq.value}
				/>
				<IconButton
					name="end"
					label={t("newest")}
					onClick={() => go({ at: newestSeq.value })}
					disabled={seq === newestSeq.value}
				/>
			</div>
			<p class="moment-words">
				<strong>{ago(time, nowMs.value)}</strong>
				<time dateTime={new Date(time).toISOString()} title={exactTime(time)}>
					{localTime(time)}
				</time>
				<span class="soft">#{seq}</span>
				{row?.writer !== undefined && (
					<span class="writer">
						<span class="dot" style={{ background: `var(${writerColour(row.writer)})` }} />
						{shortWriter(row.writer)}
					</span>
				)}
				{row?.flags?.map((flag) => (
					<span key={flag} class={`badge badge-${flag}`}>
						{t(flag)}
					</span>
				))}
				{row?.turn === "running" && <span class="badge">{t("during")}</span>}
				{totals !== undefined && (
					<span class="soft wide">
						{t("filesOf", { files: totals.files, bytes: bytes(totals.bytes) })}
					</span>
				)}
			</p>
			<GoTo />
		</div>
	);
}

/** Takes what `--at` takes. */
function GoTo() {
	const problem = useSignal<string | undefined>(undefined);
	return (
		<form
			class="goto"
			onSubmit={async (event) => {
				event.preventDefault();
				const input = event.currentTarget.elements.namedItem("when") as HTMLInputElement;
				const when = input.value.trim();
				if (when === "") return;
				try {
					const { seq } = await ask<Moment>("moment", { at: when });
					problem.value = undefined;
					announcement.value = t("commitNumber", { seq });
					go({ at: seq });
				} catch (error) {
					problem.value = toAskError(error).message;
				}
			}}
		>
			<label class="visually-hidden" for="when">
				{t("when")}
			</label>
			<input
				id="when"
				name="when"
				autocomplete="off"
				spellcheck={false}
				placeholder={t("whenHint")}
				aria-invalid={problem.value !== undefined}
				aria-describedby={problem.value === undefined ? undefined : "when-problem"}
				onInput={() => {
					problem.value = undefined;
				}}
			/>
			<button type="submit">{t("go")}</button>
			{problem.value !== undefined && (
				<p id="when-problem" class="problem" role="alert">
					{problem.value}
				</p>
			)}
		</form>
	);
}

const SHOWN_WRITERS = 6;

function Legend() {
	const all = writers();
	const alarms = [...describedRows().values()].filter(({ flags }) => flags?.includes("alarm"));
	const [done, commits] = [describedRows().size, timeline.value?.seqs.length ?? 0];
	return (
		<div class="legend">
			{all.slice(0, SHOWN_WRITERS).map((writer) => (
				<span key={writer} class="writer">
					<span class="dot" style={{ background: `var(${writerColour(writer)})` }} />
					{shortWriter(writer)}
				</span>
			))}
			{all.length > SHOWN_WRITERS && (
				<span class="soft">+{number(all.length - SHOWN_WRITERS)}</span>
			)}
			{alarms.length > 0 && (
				<button type="button" class="quiet alarm" onClick={() => go({ at: nextAlarm(alarms) })}>
					<Icon name="alarm" />
					{t("alarmsShort", { count: alarms.length })}
				</button>
			)}
			{done < commits && (
				<span class="soft">
					{t("described", { done, all: commits })}{" "}
					{!describing.value && (
						<button
							type="button"
							class="quiet"
							onClick={() => describeMore(Number.POSITIVE_INFINITY).catch(() => {})}
						>
							{t("describeAll")}
						</button>
					)}
				</span>
			)}
		</div>
	);
}

/** The next older one; after the oldest the newest. */
function nextAlarm(alarms: readonly { readonly seq: number }[]): number {
	const seqs = alarms.map(({ seq }) => seq).sort((a, b) => b - a);
	return seqs.find((seq) => seq < at.value) ?? (seqs[0] as number);
}

export function IconButton({
	name,
	label,
	onClick,
	disabled = false,
}: {
	readonly name: Parameters<typeof Icon>[0]["name"];
	readonly label: string;
	readonly onClick: () => void;
	readonly disabled?: boolean;
}) {
	return (
		<button
			type="button"
			class="icon-button"
			aria-label={label}
			title={label}
			onClick={onClick}
			disabled={disabled}
		>
			<Icon name={name} />
		</button>
	);
}
