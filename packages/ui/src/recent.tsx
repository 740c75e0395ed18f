/** The last changes before the moment of the timeline: where to look, if nothing is chosen yet. */
import { useEffect } from "preact/hooks";
import { ago, number, printable } from "./format.ts";
import { at, describe, go, indexOf, nowMs, rowOf, timeline } from "./state.ts";
import { t } from "./words.ts";
import { shortWriter, writerColour } from "./writers.ts";

const SHOWN = 40;

export function Recent() {
	const seq = at.value;
	useEffect(() => {
		void describe(seq);
	}, [seq]);
	const seqs = timeline.value?.seqs ?? [];
	const end = indexOf(seq) + 1;
	const rows = seqs
		.slice(Math.max(0, end - 3 * SHOWN), end)
		.reverse()
		.flatMap((each) => rowOf(each) ?? [])
		// Starts and ends change nothing.
		.filter(({ changed = 0, removed = 0 }) => changed + removed > 0)
		.slice(0, SHOWN);
	return (
		<div class="recent">
			<h2>{t("recent")}</h2>
			<ul>
				{rows.map(({ seq: each, timeMs = 0, writer, summary, changed = 0, removed = 0, flags }) => (
					<li key={each}>
						<button type="button" class="quiet" onClick={() => go({ at: each, view: "changes" })}>
							<span>{ago(timeMs, nowMs.value)}</span>
							<span class="writer">
								{writer !== undefined && (
									<>
										<span class="dot" style={{ background: `var(${writerColour(writer)})` }} />
										{shortWriter(writer)}
									</>
								)}
							</span>
							<span>{printable(summary ?? "")}</span>
							<span class="soft">
								{flags?.includes("alarm") === true && (
									<span class="badge badge-alarm">{t("alarm")}</span>
								)}{" "}
								{changed > 0 && `+${number(changed)}`} {removed > 0 && `−${number(removed)}`}
							</span>
						</button>
					</li>
				))}
			</ul>
		</div>
	);
}
