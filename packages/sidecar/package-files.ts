/**
 * Writes what the npm package takes from the repository beside its own files: the licence, and the
 * changelog as one file. `npm pack` runs it.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const CHANGES = join(ROOT, "changelog");
const KINDS = ["security", "changed", "removed", "fixed", "added"];

copyFileSync(join(ROOT, "LICENSE"), join(import.meta.dirname, "LICENSE"));
writeFileSync(join(import.meta.dirname, "CHANGELOG.md"), changelog());

/** Newest release first; in a release, what needs attention first. */
function changelog(): string {
	const releases = readdirSync(CHANGES, { withFileTypes: true })
		.filter((entry) => entry.isDirectory())
		.map(({ name }) => name)
		.sort((a, b) => order(b).localeCompare(order(a)));
	const sections = releases.flatMap((release) => {
		const files = readdirSync(join(CHANGES, release)).sort();
		const changes = files.map((file) => changeIn(join(CHANGES, release, file)));
		const title = release === "unreleased" ? "Unreleased" : release.slice(1);
		return changes.length === 0
			? []
			: [`## ${title}`, ...KINDS.flatMap((kind) => part(changes, kind))];
	});
	return `${["# Changelog", ...sections].join("\n\n")}\n`;
}

/** `unreleased` after every version. */
function order(release: string): string {
	return release.replace(/\d+/g, (digits) => digits.padStart(6, "0")).replace(/^u/, "z");
}

interface Change {
	readonly kind: string;
	readonly text: string;
}

function changeIn(path: string): Change {
	const [, kind = "", text = ""] = /^Kind: (\w+)\n\n(.*)$/s.exec(readFileSync(path, "utf8")) ?? [];
	if (!KINDS.includes(kind))
		throw new Error(`${path} must start with "Kind: " and one of ${KINDS}`);
	return { kind, text: text.trim() };
}

function part(changes: readonly Change[], kind: string): string[] {
	const texts = changes.filter((change) => change.kind === kind).map(({ text }) => text);
	return texts.length === 0 ? [] : [`### ${kind[0]?.toUpperCase()}${kind.slice(1)}`, ...texts];
}
