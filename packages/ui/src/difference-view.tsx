/** How one path differs between two moments. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ContentDifference } from "../../sidecar/src/ui/api.ts";
import { ask, isAbort, toAskError } from "./ask.ts";
import { bytes, number } from "./format.ts";
import { SecretGate } from "./secret.tsx";
import { Unified } from "./unified.tsx";
import { t } from "./words.ts";

export function DifferenceView({
	path,
	from,
	to,
}: {
	readonly path: string;
	readonly from: number;
	readonly to: number;
}) {
	const found = useSignal<ContentDifference | undefined>(undefined);
	const problem = useSignal<string | undefined>(undefined);
	const agreed = useSignal("");
	useEffect(() => {
		const stop = new AbortController();
		const confirmed = agreed.value === path;
		ask<ContentDifference>("difference", { path, from, to, confirmed }, stop.signal).then(
			(answer) => {
				problem.value = undefined;
				found.value = answer;
			},
			(error) => {
				if (!isAbort(error)) problem.value = toAskError(error).message;
			},
		);
		return () => stop.abort();
	}, [path, from, to, agreed.value]);
	if (problem.value !== undefined) return <p class="problem">{problem.value}</p>;
	const shown = found.value;
	switch (shown?.kind) {
		case undefined:
			return <p class="notice">{t("loading")}</p>;
		case "secret":
			return (
				<SecretGate
					reasons={shown.reasons}
					onShow={() => {
						agreed.value = path;
					}}
				/>
			);
		case "none":
			return <p class="notice">{from === to ? t("noDifference") : t("onlyMeta")}</p>;
		case "binary":
			return <p class="notice">{t("binaryDiffers")}</p>;
		case "too-large":
			return <p class="notice">{t("tooLarge", { limit: bytes(shown.limit) })}</p>;
		case "database":
			return (
				<ul class="notice">
					{shown.tables.map(({ table, rowsBefore, rowsAfter }) => (
						<li key={table}>
							{t("rowsBeforeAfter", {
								table,
								before: rowsBefore === undefined ? "–" : number(rowsBefore),
								after: rowsAfter === undefined ? "–" : number(rowsAfter),
							})}
						</li>
					))}
				</ul>
			);
		case "text":
			return (
				<>
					{shown.isCut && <p class="notice">{t("cut")}</p>}
					<Unified text={shown.unified} />
				</>
			);
	}
}
