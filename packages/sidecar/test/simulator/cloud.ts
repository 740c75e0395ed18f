/**
 * The contents of S3, and the times at which they change. Every read sees one instant, because S3's
 * listings are consistent.
 */
import type { World } from "./world.ts";

export interface CloudObject {
	readonly body: Buffer;
	readonly lastModifiedMs: number;
}

export class Cloud {
	readonly #world: World;
	readonly objects = new Map<string, CloudObject>();
	onCreated: (key: string, object: CloudObject) => void = () => {};
	onDeleted: (key: string) => void = () => {};
	/** Replaces an object only for a store that checks first and writes later. */
	onReplaced: (key: string, object: CloudObject) => void = () => {};
	#sorted: string[] | undefined;

	constructor(world: World) {
		this.#world = world;
	}

	putIfAbsent(key: string, body: Buffer): boolean {
		if (this.objects.has(key)) return false;
		this.write(key, body);
		return true;
	}

	/** Writes without a condition. */
	write(key: string, body: Buffer): void {
		const before = this.objects.get(key);
		// S3 stores whole seconds.
		const object = {
			body: Buffer.from(body),
			lastModifiedMs: Math.floor(this.#world.nowMs / 1000) * 1000,
		};
		this.objects.set(key, object);
		if (before?.body.equals(body) === true) return;
		this.#sorted = undefined;
		if (before === undefined) this.onCreated(key, object);
		else this.onReplaced(key, object);
	}

	/** The contents of the store, for a digest. */
	*content(): Generator<string | Buffer> {
		for (const key of [...this.objects.keys()].sort()) {
			const { body, lastModifiedMs } = this.objects.get(key) as CloudObject;
			yield `${key} ${lastModifiedMs} ${body.length}\n`;
			yield body;
		}
	}

	delete(key: string): void {
		if (!this.objects.delete(key)) return;
		this.#sorted = undefined;
		this.onDeleted(key);
	}

	/** In ascending order, strictly after `startAfter`. */
	keys(prefix: string, startAfter: string, limit: number): string[] {
		this.#sorted ??= [...this.objects.keys()].sort();
		const found: string[] = [];
		for (const key of this.#sorted) {
			if (found.length === limit) break;
			if (key.startsWith(prefix) && key > startAfter) found.push(key);
		}
		return found;
	}
}
