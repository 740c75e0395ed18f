/** Markdown and highlighted text: plain at first, and for as long as its form is not known. */
import { useSignal } from "@preact/signals";
import { type ComponentChild, h } from "preact";
import { useEffect } from "preact/hooks";
import type { Rich, RichRequest } from "./rich.ts";
import { richOf } from "./rich-client.ts";
import { t } from "./words.ts";

export function RichText({ text, name, isMarkdown }: RichRequest) {
	/** `plain`: the worker gave up. */
	const found = useSignal<{ readonly of: string; readonly content: readonly Rich[] | "plain" }>({
		of: "",
		content: [],
	});
	const key = `${isMarkdown} ${name} ${text}`;
	useEffect(() => {
		const stop = new AbortController();
		richOf({ text, name, isMarkdown }, stop.signal).then(
			(content) => {
				found.value = { of: key, content: content ?? "plain" };
			},
			() => {},
		);
		return () => stop.abort();
	}, [key]);
	const { of, content } = found.value;
	if (of !== key) return <PlainText text={text} />;
	if (content !== "plain") return <>{content.map(shown)}</>;
	return (
		<>
			<p class="notice">{t("plainOnly")}</p>
			<PlainText text={text} />
		</>
	);
}

export function PlainText({ text }: { readonly text: string }) {
	return (
		<pre class="text" tabIndex={0}>
			{text}
		</pre>
	);
}

function shown(node: Rich): ComponentChild {
	return typeof node === "string"
		? node
		: h(node.tag, node.attributes as object, ...node.children.map(shown));
}
