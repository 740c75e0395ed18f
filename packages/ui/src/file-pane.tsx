/** One path: its versions, and what it is at the moment of the timeline. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { EntryAt } from "../../sidecar/src/ui/api.ts";
import { ask, isAbort } from "./ask.ts";
import { DifferenceView } from "./difference-view.tsx";
import { download } from "./download.ts";
import { bytes, exactTime, localTime, printable, shownName } from "./format.ts";
import { Guarded } from "./guarded.tsx";
import { Icon } from "./icons.tsx";
import { hasPreview, Preview } from "./preview.tsx";
import { Recent } from "./recent.tsx";
import { putBack } from "./restore.tsx";
import { about, at, go, newestSeq, path } from "./state.ts";
import { currentVersion, newestVersion, VersionStrip } from "./versions.tsx";
import { t } from "./words.ts";

type Mode = "preview" | "source" | "difference";

export function FilePane() {
	const wanted = path.value;
	if (wanted === undefined || wanted === "")
		return (
			<section class="file-pane is-empty" aria-label={t("recent")}>
				<p class="notice">{t("choose")}</p>
				<Recent />
			</section>
		);
	return <PathPane key={wanted} path={wanted} />;
}

function PathPane({ path: shown }: { readonly path: string }) {
	const entry = useSignal<EntryAt | "missing" | undefined>(undefined);
	const mode = useSignal<Mode>("preview");
	const heading = useRef<HTMLHeadingElement>(null);
	const seq = at.value;
	useEffect(() => {
		const stop = new AbortController();
		ask<EntryAt>("entry", { path: shown, at: seq }, stop.signal).then(
			(found) => {
				entry.value = found;
			},
			(error) => {
				if (!isAbort(error)) entry.value = "missing";
			},
		);
		return () => stop.abort();
	}, [shown, seq]);
	const known = entry.value;
	const isFile = known !== undefined && known !== "missing" && known.type === "file";
	const canRestore = about.value?.allowsRestore === true;
	const modes: Mode[] = hasPreview(shown)
		? ["preview", "source", "difference"]
		: ["preview", "difference"];
	// What is shown belongs to a version, which began at an older commit than the moment.
	const version = currentVersion();
	return (
		<section class="file-pane" aria-labelledby="file-name">
			<div class="file-head">
				<button
					type="button"
					class="icon-button back"
					aria-label={t("back")}
					onClick={() => go({ path: undefined })}
				>
					<Icon name="left" />
				</button>
				<div class="file-title">
					<h2 id="file-name" ref={heading} tabIndex={-1}>
						{shownName(shown)}
					</h2>
					<p class="soft file-where">{printable(shown)}</p>
				</div>
				<div class="file-actions">
					{known !== undefined && known !== "missing" && known.type !== "link" && (
						<button type="button" onClick={() => download(shown, seq)}>
							<Icon name="download" />
							{t(isFile ? "download" : "downloadZip")}
						</button>
					)}
					{canRestore && known !== undefined && known !== "missing" && (
						<button
							type="button"
							class="main"
							onClick={() => putBack(shown, seq, () => go({ at: newestSeq.value, path: shown }))}
						>
							<Icon name="restore" />
							{t("putBack")}
						</button>
					)}
				</div>
			</div>
			{(known === undefined || known === "missing" || known.type !== "dir") && (
				<VersionStrip path={shown} />
			)}
			{known === "missing" && <p class="notice">{t("notThere")}</p>}
			{known !== undefined && known !== "missing" && (
				<>
					<div class="facts">
						<dl>
							<div>
								<dt>{t("size")}</dt>
								<dd>{bytes(known.size ?? 0)}</dd>
							</div>
							<div>
								<dt>{t("modified")}</dt>
								<dd title={exactTime(known.mtimeMs)}>{localTime(known.mtimeMs)}</dd>
							</div>
							{known.mode !== undefined && (
								<div>
									<dt>{t("mode")}</dt>
									<dd>{known.mode}</dd>
								</div>
							)}
						</dl>
						{isFile && (
							<div class="modes" role="group" aria-label={t("views")}>
								{modes.map((each) => (
									<button
										key={each}
										type="button"
										class="segment"
										aria-pressed={mode.value === each}
										onClick={() => {
											mode.value = each;
										}}
									>
										{t(each)}
									</button>
								))}
							</div>
						)}
					</div>
					<div class="file-body" role="region" aria-label={t(mode.value)} tabIndex={0}>
						{known.type === "link" && (
							<p class="notice">{t("linkTo", { target: printable(known.target ?? "") })}</p>
						)}
						{known.type === "dir" && (
							<p class="notice">
								{t("directoryOf", { files: known.files ?? 0, bytes: bytes(known.size ?? 0) })}
							</p>
						)}
						{isFile && (
							<Guarded subject={`${mode.value} ${seq} ${shown}`}>
								{mode.value === "difference" ? (
									<Difference path={shown} seq={seq} since={version?.seq} />
								) : (
									<Preview path={shown} at={seq} mode={mode.value} />
								)}
							</Guarded>
						)}
					</div>
				</>
			)}
		</section>
	);
}

/** An old version against the newest; the newest against the one before it. */
function Difference({
	path: shown,
	seq,
	since,
}: {
	readonly path: string;
	readonly seq: number;
	readonly since: number | undefined;
}) {
	const newest = newestSeq.value;
	const isNewest = since !== undefined && since === newestVersion()?.seq;
	const [from, to] = isNewest ? [Math.max(1, since - 1), seq] : [seq, newest];
	return (
		<>
			<p class="soft difference-head">
				{t("commitNumber", { seq: from })} → {t("commitNumber", { seq: to })}
			</p>
			<DifferenceView path={shown} from={from} to={to} />
		</>
	);
}
