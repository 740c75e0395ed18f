/** Shows a line in place of content that the page cannot show, so that the page itself stays. */
import type { ComponentChildren } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { t } from "./words.ts";

export function Guarded({
	subject,
	children,
}: {
	/** Another one is tried again. */
	readonly subject: string;
	readonly children: ComponentChildren;
}) {
	const [error, reset] = useErrorBoundary();
	useEffect(reset, [subject]);
	return error === undefined ? children : <p class="problem">{t("cannotShow")}</p>;
}
