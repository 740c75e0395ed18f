/**
 * The open part of a tree: pages of directories, as far as they were looked at.
 *
 * A directory has as many visible rows as it has entries, loaded or not, so the scroll bar is right
 * from the beginning and only what is looked at travels.
 */
import { signal } from "@preact/signals";
import type { Level, Row } from "../../sidecar/src/ui/api.ts";
import { joinPath } from "./paths.ts";

export const PAGE_ROWS = 200;

interface Directory {
	readonly path: string;
	readonly depth: number;
	total: number;
	readonly rows: (Row | undefined)[];
	readonly pages: Set<number>;
	/** Open directories in this one, by their index. */
	readonly open: Map<number, Directory>;
}

/** A visible row. Without `row` it is not loaded yet. */
export interface VisibleRow {
	readonly row: Row | undefined;
	readonly path: string | undefined;
	readonly depth: number;
	readonly isOpen: boolean;
	/** Its place among the entries of its directory, from 1. */
	readonly position: number;
	readonly siblings: number;
}

export type LoadLevel = (path: string, offset: number, limit: number) => Promise<Level>;

export class TreeModel {
	/** Changes whenever rows do. */
	readonly version = signal(0);
	readonly #load: LoadLevel;
	readonly #onError: (error: unknown) => void;
	#root = directory("", 0);
	/** Paths of open directories; they stay open when the moment changes. */
	readonly #open: Set<string>;
	#isLoaded = false;

	constructor(load: LoadLevel, onError: (error: unknown) => void, open: Iterable<string> = []) {
		this.#load = load;
		this.#onError = onError;
		this.#open = new Set(open);
	}

	get openPaths(): ReadonlySet<string> {
		return this.#open;
	}

	get isLoaded(): boolean {
		return this.#isLoaded;
	}

	get count(): number {
		return rowsOf(this.#root);
	}

	async start(): Promise<void> {
		await this.#page(this.#root, 0);
		this.#isLoaded = true;
		this.version.value++;
	}

	/** The rows `from` to `to`, without `to`. Loads what is missing. */
	slice(from: number, to: number): VisibleRow[] {
		const found: VisibleRow[] = [];
		for (let index = from; index < Math.min(to, this.count); index++)
			found.push(this.at(index) as VisibleRow);
		return found;
	}

	at(index: number): VisibleRow | undefined {
		const place = locate(this.#root, index);
		if (place === undefined) return undefined;
		const [parent, position] = place;
		const row = parent.rows[position];
		if (row === undefined)
			void this.#page(parent, Math.floor(position / PAGE_ROWS)).catch(() => {});
		return {
			row,
			path: row && joinPath(parent.path, row.name),
			depth: parent.depth,
			isOpen: parent.open.has(position),
			position: position + 1,
			siblings: parent.total,
		};
	}

	/** Opens or closes the directory in a visible row. */
	toggle(index: number): void {
		const place = locate(this.#root, index);
		if (place === undefined) return;
		const [parent, position] = place;
		const row = parent.rows[position];
		if (row?.type !== "dir") return;
		const path = joinPath(parent.path, row.name);
		if (parent.open.delete(position)) this.#open.delete(path);
		else {
			this.#open.add(path);
			this.#openRow(parent, position, path);
		}
		this.version.value++;
	}

	/**
	 * Opens every directory above a path.
	 * @param trail the place of each part of the path in its directory
	 * @returns the path's visible row
	 */
	async reveal(trail: readonly number[]): Promise<number> {
		let current = this.#root;
		let index = 0;
		for (const [level, position] of trail.entries()) {
			await this.#page(current, Math.floor(position / PAGE_ROWS));
			index += position + openedBefore(current, position);
			if (level === trail.length - 1) break;
			const row = current.rows[position];
			if (row === undefined) break;
			const path = joinPath(current.path, row.name);
			this.#open.add(path);
			const inner: Directory = current.open.get(position) ?? this.#openRow(current, position, path);
			await this.#page(inner, 0);
			current = inner;
			index++;
		}
		this.version.value++;
		return index;
	}

	#openRow(parent: Directory, position: number, path: string): Directory {
		const inner = directory(path, parent.depth + 1);
		parent.open.set(position, inner);
		void this.#page(inner, 0).catch(() => {});
		return inner;
	}

	async #page(parent: Directory, page: number): Promise<void> {
		if (parent.pages.has(page)) return await this.#pending.get(`${parent.path}\n${page}`);
		parent.pages.add(page);
		const loading = this.#loadPage(parent, page);
		this.#pending.set(`${parent.path}\n${page}`, loading);
		try {
			await loading;
		} catch (error) {
			parent.pages.delete(page);
			this.#onError(error);
			throw error;
		} finally {
			this.#pending.delete(`${parent.path}\n${page}`);
		}
	}

	readonly #pending = new Map<string, Promise<void>>();

	async #loadPage(parent: Directory, page: number): Promise<void> {
		const { total, rows } = await this.#load(parent.path, page * PAGE_ROWS, PAGE_ROWS);
		parent.total = total;
		for (const [index, row] of rows.entries()) {
			const position = page * PAGE_ROWS + index;
			parent.rows[position] = row;
			const path = joinPath(parent.path, row.name);
			if (row.type === "dir" && this.#open.has(path) && !parent.open.has(position))
				this.#openRow(parent, position, path);
		}
		this.version.value++;
	}
}

function directory(path: string, depth: number): Directory {
	return { path, depth, total: 0, rows: [], pages: new Set(), open: new Map() };
}

function rowsOf({ total, open }: Directory): number {
	let sum = total;
	for (const inner of open.values()) sum += rowsOf(inner);
	return sum;
}

/** Visible rows of directories that are open above `position`. */
function openedBefore({ open }: Directory, position: number): number {
	let sum = 0;
	for (const [at, inner] of open) if (at < position) sum += rowsOf(inner);
	return sum;
}

/** The directory that a visible row is in, and its place there. */
function locate(parent: Directory, index: number): [Directory, number] | undefined {
	let left = index;
	let position = 0;
	for (const [at, inner] of [...parent.open].sort(([a], [b]) => a - b)) {
		if (left <= at - position) return [parent, position + left];
		left -= at - position + 1;
		position = at + 1;
		const inside = rowsOf(inner);
		if (left < inside) return locate(inner, left);
		left -= inside;
	}
	return position + left < parent.total ? [parent, position + left] : undefined;
}
