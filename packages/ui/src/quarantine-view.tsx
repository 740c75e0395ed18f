/** What is quarantined, and what can be done with it. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Dealt, QuarantinedRow } from "../../sidecar/src/ui/api.ts";
import { ask, toAskError } from "./ask.ts";
import { question } from "./dialog.tsx";
import { reveal } from "./file-tree.tsx";
import { ago, bytes, number, printable } from "./format.ts";
import { PathName } from "./search.tsx";
import { about, failure, loadTimeline, newestSeq, nowMs } from "./state.ts";
import { say } from "./toast.tsx";
import { t } from "./words.ts";
import { shortWriter } from "./writers.ts";

export function QuarantineView() {
	const rows = useSignal<readonly QuarantinedRow[] | undefined>(undefined);
	const load = async () => {
		try {
			const found = await ask<{ quarantined: readonly QuarantinedRow[] }>("quarantined");
			rows.value = found.quarantined;
		} catch (error) {
			failure.value = toAskError(error);
		}
	};
	useEffect(() => {
		void load();
	}, [newestSeq.value]);
	const deal = (name: "apply" | "drop", writer: string, path: string) => {
		const run = async () => {
			try {
				await ask<Dealt>(name, { writer, path });
				say(t(name === "apply" ? "applied" : "dropped"));
				await loadTimeline();
				await load();
			} catch (error) {
				failure.value = toAskError(error);
			}
		};
		question.value = {
			title: t(name),
			body: <p>{t(name === "apply" ? "applyAsk" : "dropAsk", { path: printable(path) })}</p>,
			actions: [
				{
					label: t(name === "apply" ? "applyDo" : "dropDo"),
					isMain: name === "apply",
					isDanger: name === "drop",
					run: () => {
						void run();
					},
				},
			],
		};
	};
	const canDeal = about.value?.allowsRestore === true;
	return (
		<section class="page" aria-label={t("quarantine")}>
			<p class="soft">{t("quarantineHelp")}</p>
			{rows.value === undefined && <p class="notice">{t("loading")}</p>}
			{rows.value?.length === 0 && <p class="notice">{t("noQuarantine")}</p>}
			{rows.value !== undefined && rows.value.length > 0 && !canDeal && (
				<p class="notice">{t("needsAllow")}</p>
			)}
			{rows.value?.map((row) => (
				<article key={row.writer} class="card">
					<h2>
						{row.isRestore ? t("byRestore") : t("byWriter", { writer: shortWriter(row.writer) })}
					</h2>
					<p class="soft">
						{t("filesOf", { files: row.files, bytes: bytes(row.bytes) })}
						{row.lastMs !== undefined && ` · ${ago(row.lastMs, nowMs.value)}`}
					</p>
					<ul class="plan">
						{row.entries.map(({ path, size }) => (
							<li key={path}>
								<button
									type="button"
									class="quiet path-button"
									onClick={() =>
										reveal(`.recovered/${row.writer}/${path}`, newestSeq.value).catch(
											(error: unknown) => {
												failure.value = toAskError(error);
											},
										)
									}
								>
									<PathName path={path} />
								</button>
								<span class="size">{bytes(size)}</span>
								{canDeal && (
									<span class="row-actions">
										<button type="button" onClick={() => deal("apply", row.writer, path)}>
											{t("apply")}
										</button>
										<button
											type="button"
											class="quiet"
											onClick={() => deal("drop", row.writer, path)}
										>
											{t("drop")}
										</button>
									</span>
								)}
							</li>
						))}
						{row.files > row.entries.length && (
							<li class="soft">+{number(row.files - row.entries.length)}</li>
						)}
					</ul>
				</article>
			))}
		</section>
	);
}
