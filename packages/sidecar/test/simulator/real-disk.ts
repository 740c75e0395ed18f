/** Edits of real directories, and their contents, for storms. */
import { hash } from "node:crypto";
import {
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Dice } from "../../../testkit/dice.ts";
import { readLog } from "../../src/commit/read-log.ts";
import type { Entry } from "../../src/log/types.ts";
import type { ObjectStore } from "../../src/store/port.ts";

/** Edits like an agent: writes, deletes, links, makes directories, and removes obstacles. */
export function edit(
	root: string,
	names: readonly string[],
	count: number,
	dice: Dice,
	text: () => string,
): void {
	for (let edits = count; edits > 0; edits--) {
		const path = join(root, dice.oneOf(names));
		const kind = dice.weighted({ write: 6, remove: 2, link: 1, directory: 1 });
		if (kind === "remove") {
			rmSync(path, { recursive: true, force: true });
			continue;
		}
		clearTheWay(root, path);
		if (kind !== "write" || isDirectory(path)) rmSync(path, { recursive: true, force: true });
		if (kind === "write") writeFileSync(path, text());
		else if (kind === "link") symlinkSync(text(), path);
		else mkdirSync(path);
	}
}

function isDirectory(path: string): boolean {
	return existsSync(path) && lstatSync(path).isDirectory();
}

/** Every text in a commit of the log, named as by `textsBelow`. */
export class TextsInLog {
	readonly #store: ObjectStore;
	readonly #texts = new Set<string>();
	#seen = 0;

	constructor(store: ObjectStore) {
		this.#store = store;
	}

	get commits(): number {
		return this.#seen;
	}

	has(text: string): boolean {
		return this.#texts.has(text);
	}

	/** Reads the new commits. */
	async refresh(): Promise<void> {
		const { seq } = (await readLog(this.#store)).head;
		while (this.#seen < seq) {
			this.#seen++;
			for (const entry of (await readLog(this.#store, { at: this.#seen })).head.tree.values()) {
				const text = textOf(entry);
				if (text !== undefined) this.#texts.add(text);
			}
		}
	}
}

/** Undefined for a directory. Texts are shorter than a chunk. */
export function textOf(entry: Entry): string | undefined {
	if (entry.type === "file") return entry.chunks.map(({ sha256 }) => sha256).join();
	return entry.type === "link" ? `-> ${entry.target}` : undefined;
}

/** Makes the directories above a path, and removes obstacles. */
function clearTheWay(root: string, path: string): void {
	const above = dirname(path);
	if (above === root) return;
	clearTheWay(root, above);
	if (isDirectory(above)) return;
	rmSync(above, { recursive: true, force: true });
	mkdirSync(above);
}

/** The contents of files and links below a path, named as in the log, with their places. */
export function textsBelow(path: string): Map<string, string> {
	const stat = lstatSync(path, { throwIfNoEntry: false });
	if (stat === undefined) return new Map();
	if (stat.isSymbolicLink()) return new Map([[`-> ${readlinkSync(path)}`, path]]);
	if (stat.isFile()) return new Map([[hash("sha256", readFileSync(path), "hex"), path]]);
	const own = path.endsWith("/.openclaw-sidecar");
	return new Map(own ? [] : readdirSync(path).flatMap((name) => [...textsBelow(join(path, name))]));
}
