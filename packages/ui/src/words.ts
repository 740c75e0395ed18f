/** The language of the page, and its texts with their values. */
import { computed, signal } from "@preact/signals";
import { EN, type Key, SINGULAR, ZH } from "./texts.ts";

export type { Key } from "./texts.ts";

export type Language = "en" | "zh";

const TEXTS: Readonly<Record<Language, Readonly<Record<Key, string>>>> = { en: EN, zh: ZH };

function preferred(): Language {
	const kept = localStorage.getItem("language");
	if (kept === "en" || kept === "zh") return kept;
	return navigator.languages
		.find((each) => /^(en|zh)\b/i.test(each))
		?.slice(0, 2)
		.toLowerCase() === "zh"
		? "zh"
		: "en";
}

export const language = signal<Language>(preferred());
/** For Intl. */
export const locale = computed(() => (language.value === "zh" ? "zh-CN" : "en-GB"));

export function setLanguage(next: Language): void {
	language.value = next;
	localStorage.setItem("language", next);
}

export function t(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
	const number = values.count ?? values.files;
	const isOne =
		typeof number === "number" &&
		language.value === "en" &&
		new Intl.PluralRules("en").select(number) === "one";
	const text = (isOne ? SINGULAR[key] : undefined) ?? TEXTS[language.value][key];
	return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
		const value = values[name];
		if (value === undefined) return whole;
		return typeof value === "number" && name !== "seq" && name !== "pid"
			? value.toLocaleString(locale.value)
			: String(value);
	});
}
