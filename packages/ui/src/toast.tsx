/** A short message that goes by itself. */
import { signal } from "@preact/signals";
import { Icon } from "./icons.tsx";
import { announcement, failure } from "./state.ts";
import { t } from "./words.ts";

const SHOWN_MS = 8_000;

const said = signal("");
let timer: ReturnType<typeof setTimeout> | undefined;

export function say(text: string): void {
	said.value = text;
	announcement.value = text;
	clearTimeout(timer);
	timer = setTimeout(() => {
		said.value = "";
	}, SHOWN_MS);
}

export function Messages() {
	const error = failure.value;
	return (
		<div class="messages">
			{error !== undefined && (
				<div class="message is-problem" role="alert">
					<div>
						<p>
							{error.code === "GONE"
								? t("gone")
								: error.code === "IDENTITY_REFUSED"
									? t("noToken")
									: error.message}
						</p>
						{error.remedy !== "" && error.code !== "IDENTITY_REFUSED" && (
							<p class="soft">{t("whatToDo", { remedy: error.remedy })}</p>
						)}
					</div>
					<button
						type="button"
						class="icon-button"
						aria-label={t("close")}
						onClick={() => {
							failure.value = undefined;
						}}
					>
						<Icon name="close" />
					</button>
				</div>
			)}
			{said.value !== "" && <div class="message is-good">{said.value}</div>}
			<div class="visually-hidden" role="status" aria-live="polite">
				{announcement.value}
			</div>
		</div>
	);
}
