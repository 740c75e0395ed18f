/** Whether everything is in the log, as the daemon on this machine reports it. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { DiskState, State } from "../../sidecar/src/ui/api.ts";
import { AskError, ask, toAskError } from "./ask.ts";
import { printable } from "./format.ts";
import { about, failure, loadTimeline, newestSeq, state, takeClock } from "./state.ts";
import { t } from "./words.ts";

const LEAST_MS = 2_000;
const MOST_MS = 30_000;

/** No answer came: the command has ended. */
const isGone = (error: unknown) => error instanceof AskError && error.code === "GONE";

/** Asks again and again: less often while nothing changes, and not at all while nobody looks. */
function useDaemon(): { readonly gone: boolean } {
	const gone = useSignal(false);
	useEffect(() => {
		let pauseMs = LEAST_MS;
		let last = "";
		let timer: ReturnType<typeof setTimeout>;
		const look = async () => {
			if (!document.hidden) {
				try {
					const found = await ask<State>("state");
					gone.value = false;
					state.value = found;
					takeClock(found.nowMs);
					const { nowMs: _, ...rest } = found;
					const text = JSON.stringify(rest);
					pauseMs = text === last ? Math.min(MOST_MS, pauseMs * 1.5) : LEAST_MS;
					last = text;
					if (found.newestSeq !== newestSeq.value) await loadTimeline();
				} catch (error) {
					gone.value = isGone(error);
					pauseMs = Math.min(MOST_MS, pauseMs * 2);
				}
			}
			timer = setTimeout(look, pauseMs);
		};
		void look();
		const onVisible = () => {
			if (document.hidden) return;
			clearTimeout(timer);
			pauseMs = LEAST_MS;
			void look();
		};
		document.addEventListener("visibilitychange", onVisible);
		return () => {
			clearTimeout(timer);
			document.removeEventListener("visibilitychange", onVisible);
		};
	}, []);
	return { gone: gone.value };
}

type Light = "good" | "wait" | "bad" | "none";

export function lightOf(found: State | undefined, gone: boolean): readonly [Light, string] {
	if (gone) return ["bad", t("goneShort")];
	if (found === undefined) return ["none", t("loading")];
	const { daemon, daemonError } = found;
	if (daemonError !== undefined) return ["bad", daemonError.message];
	if (daemon === undefined) return ["none", t("noDaemon")];
	if (daemon.superseded === true) return ["bad", t("superseded")];
	if (daemon.lastFlushError != null)
		return ["bad", t("flushFailed", { message: daemon.lastFlushError.message })];
	if ((daemon.notTaken?.length ?? 0) > 0)
		return ["bad", t("notTaken", { count: daemon.notTaken?.length ?? 0 })];
	if ((daemon.waiting ?? 0) > 0) return ["wait", t("waiting", { count: daemon.waiting ?? 0 })];
	if ((daemon.deferredDeletions ?? 0) > 0)
		return ["wait", t("deferred", { count: daemon.deferredDeletions ?? 0 })];
	if (daemon.phase !== "serving") return ["wait", daemon.phase];
	return ["good", t("allDurable")];
}

export function DurabilityLight() {
	const { gone } = useDaemon();
	const [light, words] = lightOf(state.value, gone);
	return (
		<p class={`light light-${light}`} role="status" aria-label={t("state")}>
			<span class="lamp" aria-hidden="true" />
			<span class="light-words">{words}</span>
		</p>
	);
}

export function DiskView() {
	const found = useSignal<DiskState | undefined>(undefined);
	const isBusy = useSignal(false);
	const check = async () => {
		isBusy.value = true;
		try {
			found.value = await ask<DiskState>("disk");
		} catch (error) {
			failure.value = toAskError(error);
		} finally {
			isBusy.value = false;
		}
	};
	const daemon = state.value?.daemon;
	const disk = found.value;
	return (
		<section class="page" aria-label={t("disk")}>
			<article class="card">
				<h2>{about.value?.workspace}</h2>
				<p>
					{daemon === undefined
						? t("noDaemon")
						: t("daemonRuns", { phase: daemon.phase, pid: daemon.pid })}
				</p>
				{daemon !== undefined && <p class="soft">{lightOf(state.value, false)[1]}</p>}
				{daemon?.notTaken !== undefined && daemon.notTaken.length > 0 && (
					<PathReasons rows={daemon.notTaken} />
				)}
			</article>
			<article class="card">
				<button type="button" onClick={check} disabled={isBusy.value}>
					{t(isBusy.value ? "checking" : "check")}
				</button>
				{disk !== undefined && (
					<>
						<p class={disk.isDurable ? "good" : "bad"}>
							{disk.isDurable
								? t("diskDurable")
								: disk.notDurableCount > 0
									? t("diskNot", { count: disk.notDurableCount })
									: t("notDurable")}
						</p>
						<PathReasons rows={disk.notDurable} />
						{disk.behind > 0 && <p>{t("behind", { count: disk.behind })}</p>}
						{disk.deferredDeletions > 0 && (
							<p>{t("deferred", { count: disk.deferredDeletions })}</p>
						)}
					</>
				)}
			</article>
		</section>
	);
}

function PathReasons({
	rows,
}: {
	readonly rows: readonly { readonly path: string; readonly reason: string }[];
}) {
	return (
		<ul class="plan">
			{rows.map(({ path, reason }) => (
				<li key={path}>
					<span class="path-name">{printable(path)}</span>
					<span class="soft">{reason}</span>
				</li>
			))}
		</ul>
	);
}
