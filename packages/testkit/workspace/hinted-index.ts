/**
 * For tests: an index of a directory that is updated by hints alone, as a flush updates its own. It
 * is right if it equals a scan.
 */

import { parentOf, type Root } from "../../sidecar/src/path.ts";
import type { Filter } from "../../sidecar/src/workspace/filter.ts";
import { scan } from "../../sidecar/src/workspace/scan.ts";
import { lstatPath, type Stat, sameStat } from "../../sidecar/src/workspace/stat.ts";

export class HintedIndex {
	readonly #root: Root;
	readonly #filter: Filter;
	#known = new Map<string, Stat>();
	readonly #hints = new Set<string>();
	#working: Promise<void> | undefined;

	constructor(root: Root, filter: Filter) {
		this.#root = root;
		this.#filter = filter;
	}

	async start(): Promise<void> {
		this.#known = (await scan(this.#root, this.#filter)).stats;
	}

	/** Inspected as soon as possible: an early inspection is the one that could miss a change. */
	readonly hint = (path: string): void => {
		this.#hints.add(path);
		this.#working ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
			this.#work(),
		);
	};

	/** The differences to a scan, once all hints were processed. */
	async differences(): Promise<string[]> {
		await this.#working;
		const { stats } = await scan(this.#root, this.#filter);
		const found: string[] = [];
		for (const [path, stat] of stats) {
			const known = this.#known.get(path);
			if (known === undefined) found.push(`unknown: ${path}`);
			else if (known.type !== stat.type || (stat.type !== "dir" && !sameStat(known, stat)))
				found.push(`stale: ${path}`);
		}
		for (const path of this.#known.keys()) if (!stats.has(path)) found.push(`gone: ${path}`);
		return found;
	}

	directories(): string[] {
		return [...this.#known].filter(([, { type }]) => type === "dir").map(([path]) => path);
	}

	async #work(): Promise<void> {
		while (this.#hints.size > 0) {
			const hints = [...this.#hints];
			this.#hints.clear();
			for (const path of hints) await this.#look(path);
		}
		this.#working = undefined;
	}

	/** Lists a directory, and scans its new entries recursively. */
	async #look(path: string): Promise<void> {
		const stat = lstatPath(this.#root, path);
		const before = this.#known.get(path);
		if (stat === undefined || before?.type !== stat.type) this.#forget(path);
		if (stat?.type !== "dir") {
			if (stat !== undefined) this.#known.set(path, stat);
			return;
		}
		const { stats } = await scan(this.#root, this.#filter, { below: path });
		const isNew = before?.type !== "dir";
		const entryOf = (below: string) => {
			const end = below.indexOf("/", path === "" ? 0 : path.length + 1);
			return end < 0 ? below : below.slice(0, end);
		};
		const newEntries = new Set(
			[...stats.keys()].filter(
				(found) =>
					entryOf(found) === found && this.#known.get(found)?.type !== stats.get(found)?.type,
			),
		);
		for (const known of [...this.#known.keys()]) {
			if (known !== "" && parentOf(known) === path && (!stats.has(known) || newEntries.has(known)))
				this.#forget(known);
		}
		for (const [found, now] of stats) {
			if (isNew || found === path || entryOf(found) === found || newEntries.has(entryOf(found)))
				this.#known.set(found, now);
		}
	}

	#forget(path: string): void {
		for (const known of [...this.#known.keys()])
			if (known === path || known.startsWith(`${path}/`)) this.#known.delete(known);
	}
}
