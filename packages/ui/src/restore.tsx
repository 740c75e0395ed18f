/** Puts a path back as it was, after a preview of what that changes on the disk. */
import type { Restored } from "../../sidecar/src/ui/api.ts";
import { AskError, ask, toAskError } from "./ask.ts";
import { question } from "./dialog.tsx";
import { bytes, number, printable, shownName } from "./format.ts";
import { announcement, failure, loadTimeline, state } from "./state.ts";
import { say } from "./toast.tsx";
import { type Key, t } from "./words.ts";

const WORDS: Readonly<Record<Restored["changes"][number]["kind"], Key>> = {
	added: "added",
	changed: "edited",
	removed: "deleted",
	time: "metadata",
};
const SHOWN = 20;

export async function putBack(path: string, at: number, onDone: () => void): Promise<void> {
	try {
		const plan = await ask<Restored>("restore", { path, at, dryRun: true });
		const isNothing = plan.total === 0;
		question.value = {
			title: t("restoreTitle", { name: path === "" ? "." : shownName(path) }),
			body: <Plan plan={plan} />,
			closeLabel: t(isNothing ? "close" : "cancel"),
			actions: isNothing
				? []
				: [
						{
							label: t("restoreDo"),
							isMain: true,
							run: () => {
								void doPutBack(path, at, onDone);
							},
						},
					],
		};
	} catch (error) {
		failure.value = toAskError(error);
	}
}

async function doPutBack(path: string, at: number, onDone: () => void): Promise<void> {
	announcement.value = t("restoreWorking");
	try {
		const done = await ask<Restored>("restore", { path, at, dryRun: false });
		const { moved, committed, notTaken, notTakenCount, deferredDeletions } = done;
		// A daemon may have committed it by itself, before it was asked to.
		const isCommitted = committed !== undefined || state.value?.daemon !== undefined;
		const detail = [
			...(isCommitted ? [] : [t("restoreNotCommitted")]),
			...(committed === undefined ? [] : [t("commitNumber", { seq: committed })]),
			...(moved > 0 ? [t("restoreMoved", { count: moved })] : []),
		].join(" · ");
		say(t("restoreDone", { detail }));
		const problems = [
			...(notTakenCount > 0 ? [t("notTaken", { count: notTakenCount })] : []),
			...notTaken.slice(0, 1).map(({ path, reason }) => `${printable(path)}: ${reason}`),
			...(deferredDeletions > 0 ? [t("deferred", { count: deferredDeletions })] : []),
		];
		if (problems.length > 0)
			failure.value = new AskError({ code: "", message: problems.join(" · "), remedy: "" });
		if (!isCommitted) return;
		await loadTimeline();
		onDone();
	} catch (error) {
		failure.value = toAskError(error);
	}
}

function Plan({ plan }: { readonly plan: Restored }) {
	if (plan.total === 0) return <p>{t("restoreNothing")}</p>;
	const left = plan.total - Math.min(SHOWN, plan.changes.length);
	return (
		<>
			<p>{t("restorePlan")}</p>
			<ul class="plan">
				{plan.changes.slice(0, SHOWN).map(({ path, kind, bytes: size }) => (
					<li key={path}>
						<span class={`badge badge-${kind}`}>{t(WORDS[kind])}</span>
						<span class="path-name">{printable(path)}</span>
						<span class="size">{kind === "time" ? "" : bytes(size)}</span>
					</li>
				))}
				{left > 0 && <li class="soft">+{number(left)}</li>}
			</ul>
			<p class="soft">{t("restoreKeeps")}</p>
		</>
	);
}
