/** A question over the page, in the browser's own modal dialog. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "./words.ts";

export interface DialogAction {
	readonly label: string;
	readonly isMain?: boolean;
	readonly isDanger?: boolean;
	/** The dialog closes before. */
	readonly run: () => void;
}

export interface Question {
	readonly title: string;
	readonly body: ComponentChildren;
	readonly actions: readonly DialogAction[];
	readonly closeLabel?: string;
}

export const question = signal<Question | undefined>(undefined);

export function Dialog() {
	const element = useRef<HTMLDialogElement>(null);
	const asked = question.value;
	useEffect(() => {
		if (asked !== undefined && element.current?.open === false) element.current.showModal();
		if (asked === undefined) element.current?.close();
	}, [asked]);
	const close = () => {
		question.value = undefined;
	};
	return (
		<dialog ref={element} aria-labelledby="dialog-title" onClose={close} onCancel={close}>
			{asked !== undefined && (
				<>
					<h2 id="dialog-title">{asked.title}</h2>
					<div class="dialog-body">{asked.body}</div>
					<div class="dialog-actions">
						<button type="button" onClick={close}>
							{asked.closeLabel ?? t("cancel")}
						</button>
						{asked.actions.map(({ label, run, isMain, isDanger }) => (
							<button
								key={label}
								type="button"
								class={isDanger === true ? "danger" : isMain === true ? "main" : ""}
								onClick={() => {
									close();
									run();
								}}
							>
								{label}
							</button>
						))}
					</div>
				</>
			)}
		</dialog>
	);
}
