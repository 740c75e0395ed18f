/** Asks before a secret is shown. */
import type { ComponentChildren } from "preact";
import { Icon } from "./icons.tsx";
import { t } from "./words.ts";

export function secretWords(reasons: readonly string[]): ComponentChildren {
	const kinds = reasons.filter((reason) => reason !== "place");
	return (
		<p>{kinds.length === 0 ? t("secretPlace") : t("secretFound", { kinds: kinds.join(", ") })}</p>
	);
}

export function SecretGate({
	reasons,
	onShow,
}: {
	readonly reasons: readonly string[];
	readonly onShow: () => void;
}) {
	return (
		<div class="gate">
			<Icon name="lock" />
			<h3>{t("secretTitle")}</h3>
			{secretWords(reasons)}
			<button type="button" class="main" onClick={onShow}>
				{t("secretShow")}
			</button>
		</div>
	);
}
