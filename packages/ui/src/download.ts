/** Downloads: a ticket is asked for with the token, and the browser fetches it as a link. */
import type { Download } from "../../sidecar/src/ui/api.ts";
import { ask, toAskError } from "./ask.ts";
import { question } from "./dialog.tsx";
import { secretWords } from "./secret.tsx";
import { failure } from "./state.ts";
import { t } from "./words.ts";

interface Agreed {
	readonly confirmed?: boolean;
	readonly secrets?: "include" | "leave-out";
}

export async function download(path: string, at: number, agreed: Agreed = {}): Promise<void> {
	try {
		const answer = await ask<Download>("download", { path, at, ...agreed });
		const again = (more: Agreed) => () => {
			void download(path, at, more);
		};
		if (answer.kind === "secret") {
			question.value = {
				title: t("secretTitle"),
				body: secretWords(answer.reasons),
				actions: [{ label: t("secretDownload"), isMain: true, run: again({ confirmed: true }) }],
			};
			return;
		}
		if (answer.kind === "secret-files") {
			question.value = {
				title: t("secretTitle"),
				body: t("secretTree", { count: answer.files }),
				actions: [
					{ label: t("secretInclude"), run: again({ secrets: "include" }) },
					{ label: t("secretLeaveOut"), isMain: true, run: again({ secrets: "leave-out" }) },
				],
			};
			return;
		}
		const link = document.createElement("a");
		link.href = answer.url;
		link.download = answer.name;
		link.click();
	} catch (error) {
		failure.value = toAskError(error);
	}
}
