/** What a file contains, by its kind. Nothing in it is ever run. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Content } from "../../sidecar/src/ui/api.ts";
import { ask, isAbort, toAskError } from "./ask.ts";
import { DatabaseView } from "./database-view.tsx";
import { bytes } from "./format.ts";
import { JsonLines } from "./json-lines.tsx";
import { baseOf } from "./paths.ts";
import { PlainText, RichText } from "./rich-text.tsx";
import { SecretGate } from "./secret.tsx";
import { t } from "./words.ts";

/** More would stop the page for a moment when it is shown, so it is plain text. */
const RICH_CHARACTERS = 200_000;

export type TextMode = "preview" | "source";

export function Preview({
	path,
	at,
	mode,
}: {
	readonly path: string;
	readonly at: number;
	readonly mode: TextMode;
}) {
	const content = useSignal<Content | undefined>(undefined);
	const problem = useSignal<string | undefined>(undefined);
	/** The person agreed, for this path and as long as it is shown. */
	const agreed = useSignal("");
	useEffect(() => {
		const stop = new AbortController();
		const confirmed = agreed.value === path;
		ask<Content>("content", { path, at, confirmed }, stop.signal).then(
			(found) => {
				problem.value = undefined;
				content.value = found;
			},
			(error) => {
				if (isAbort(error)) return;
				content.value = undefined;
				const { code, message } = toAskError(error);
				problem.value = code === "PATH_NOT_FOUND" ? t("notThere") : message;
			},
		);
		return () => stop.abort();
	}, [path, at, agreed.value]);
	if (problem.value !== undefined) return <p class="notice">{problem.value}</p>;
	if (content.value === undefined) return <p class="notice">{t("loading")}</p>;
	return (
		<Shown
			content={content.value}
			path={path}
			at={at}
			mode={mode}
			isConfirmed={agreed.value === path}
			onShow={() => {
				agreed.value = path;
			}}
		/>
	);
}

function Shown({
	content,
	path,
	at,
	mode,
	isConfirmed,
	onShow,
}: {
	readonly content: Content;
	readonly path: string;
	readonly at: number;
	readonly mode: TextMode;
	readonly isConfirmed: boolean;
	readonly onShow: () => void;
}): ComponentChildren {
	switch (content.kind) {
		case "secret":
			return <SecretGate reasons={content.reasons} onShow={onShow} />;
		case "too-large":
			return <p class="notice">{t("tooLarge", { limit: bytes(content.limit) })}</p>;
		case "image":
			return (
				<div class="picture">
					<img src={`data:${content.mediaType};base64,${content.base64}`} alt={baseOf(path)} />
				</div>
			);
		case "database":
			return <DatabaseView path={path} at={at} tables={content.tables} confirmed={isConfirmed} />;
		case "binary":
			return (
				<div class="hex">
					<p class="notice">{t("binary")}</p>
					<pre tabIndex={0}>{hexOf(content.base64)}</pre>
				</div>
			);
		case "text":
			return <TextView text={content.text} path={path} mode={mode} isCut={content.isCut} />;
	}
}

function TextView({
	text,
	path,
	mode,
	isCut,
}: {
	readonly text: string;
	readonly path: string;
	readonly mode: TextMode;
	readonly isCut: boolean;
}) {
	const name = baseOf(path).toLowerCase();
	const note = isCut && <p class="notice">{t("cut")}</p>;
	if (mode === "preview" && name.endsWith(".svg"))
		return (
			<div class="picture">
				{/* As an image it runs no script and fetches nothing. */}
				<img src={`data:image/svg+xml,${encodeURIComponent(text)}`} alt={baseOf(path)} />
			</div>
		);
	if (mode === "preview" && name.endsWith(".jsonl"))
		return (
			<>
				{note}
				<JsonLines text={text} isCut={isCut} />
			</>
		);
	const isRich = text.length <= RICH_CHARACTERS;
	return (
		<>
			{note}
			{isRich ? (
				<RichText
					text={text}
					name={name}
					isMarkdown={mode === "preview" && /\.(md|markdown)$/.test(name)}
				/>
			) : (
				<PlainText text={text} />
			)}
		</>
	);
}

/** Whether a file can be shown in two ways. */
export function hasPreview(path: string): boolean {
	return /\.(md|markdown|svg|jsonl)$/i.test(path);
}

const HEX_COLUMNS = 16;

function hexOf(base64: string): string {
	const data = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
	const lines: string[] = [];
	for (let at = 0; at < data.length; at += HEX_COLUMNS) {
		const part = [...data.subarray(at, at + HEX_COLUMNS)];
		const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
		const text = part
			.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."))
			.join("");
		lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(HEX_COLUMNS * 3)} ${text}`);
	}
	return lines.join("\n");
}
