/** The table of settings in docs/deploy.md, between its two marks. `pnpm docs:write` writes it. */
import { settings } from "../lib/settings/config.ts";

const BEGIN = "<!-- settings: written by pnpm docs:write -->\n";
const END = "<!-- end of settings -->";

export function withSettings(document: string): string {
	const rows = settings().map(
		({ name, default: value, meaning }) =>
			`| \`${name}\` | ${value === "" ? "" : `\`${value}\``} | ${meaning} |`,
	);
	const table = ["| setting | default | |", "|---|---|---|", ...rows, ""].join("\n");
	const [before = "", rest = ""] = document.split(BEGIN);
	return `${before}${BEGIN}${table}${END}${rest.slice(rest.indexOf(END) + END.length)}`;
}
