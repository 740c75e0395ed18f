/**
 * The sidecar on a disk in memory: restore, fence, gate, flushes, close. It uses the real code of
 * the log: `readLog`, `readBlocks`, `planReconcile`, `LogWriter`, `BlockBuilder`, `ChunkIndex`.
 * This file does what `Session` and `Flusher` do with a real disk, in the simplest form.
 */

import { BlockBuilder } from "../../src/commit/block-builder.ts";
import { now } from "../../src/commit/environment.ts";
import { LogWriter, type WriteOutcome } from "../../src/commit/log-writer.ts";
import { readBlocks } from "../../src/commit/read-content.ts";
import { type LogRead, readLog } from "../../src/commit/read-log.ts";
import { SidecarError } from "../../src/errors.ts";
import type { Head } from "../../src/log/fold.ts";
import { RECOVERED_DIRECTORY } from "../../src/log/safe-path.ts";
import type { Chunk, ChunkRef, Entry, Path } from "../../src/log/types.ts";
import { repack } from "../../src/maintenance/repack.ts";
import { parentOf } from "../../src/path.ts";
import { type OnDisk, planReconcile } from "../../src/restore/reconcile.ts";
import {
	CHUNK_BITS,
	type Content,
	chunksOf,
	contentOfDisk,
	contentOfEntry,
	contentOfNode,
	type Disk,
	edit,
	put,
	remove,
	sha256,
} from "./disk.ts";
import type { Oracle } from "./oracle.ts";
import type { Process } from "./process.ts";
import { SECOND } from "./world.ts";

export interface Habits {
	/** Rounds of edits and flushes before it closes. */
	readonly rounds: number;
	/** The minimum and maximum time between two rounds. */
	readonly paceMs: readonly [number, number];
	/** The share of content that travels in packs. */
	readonly packs: number;
}

/** The state that a machine keeps when its process dies. */
export interface Machine {
	disk: Disk;
	/** The tree that the disk derives from, without `.recovered/`. */
	base: ReadonlyMap<Path, Entry> | undefined;
}

export type End = "closed" | "superseded" | "not durable" | "no gate";

/** The expected content of a commit in flight, which the oracle compares. */
export type Intent =
	| { readonly kind: "tree"; readonly content: Content }
	| { readonly kind: "aside"; readonly content: Content };

interface Pending {
	readonly local: Map<Path, Entry<Chunk>>;
}

const ATTEMPTS = 10;

export class Sidecar {
	readonly #process: Process;
	readonly #oracle: Oracle;
	readonly #habits: Habits;
	readonly machine: Machine;
	#writer: LogWriter | undefined;
	#local = new Map<Path, Entry<Chunk>>();
	#pending: Pending | undefined;
	#intent: Intent = { kind: "tree", content: new Map() };
	readonly #closes: boolean;
	/** Called with the restored content of the newest commit. */
	onRestored: (content: Content) => void = () => {};

	constructor(process: Process, oracle: Oracle, machine: Machine, habits: Habits, closes: boolean) {
		this.#process = process;
		this.#oracle = oracle;
		this.#habits = habits;
		this.#closes = closes;
		this.machine = { disk: new Map(machine.disk), base: machine.base };
		process.onPut = (key, bytes) => oracle.sent(process, key, bytes, this.#intent);
	}

	get writer(): LogWriter | undefined {
		return this.#writer;
	}

	async run(): Promise<End> {
		const { rounds } = this.#habits;
		if (!(await this.#boot())) return "no gate";
		for (let round = 0; round < rounds; round++) {
			await this.#pause();
			for (let edits = Math.floor(this.#process.roll() * 4); edits > 0; edits--)
				edit(this.machine.disk, () => this.#process.roll());
			if (this.#process.roll() < 0.8) await this.#tryFlush(false);
			if (this.#process.roll() < 0.3) await this.#tryRepack();
			// A superseded daemon runs until it is ended.
			if (this.writer?.isSuperseded === true && this.#process.roll() < 0.1) break;
		}
		let isDurable = false;
		for (let attempt = 0; attempt < 5 && !isDurable && this.#closes; attempt++) {
			isDurable = await this.#tryFlush(true);
			if (!isDurable) await this.#process.environment.sleep(SECOND);
		}
		if (isDurable && this.#writer !== undefined)
			this.#oracle.closed(this.#process, this.#writer, contentOfDisk(this.machine.disk));
		return !isDurable
			? "not durable"
			: this.writer?.isSuperseded === true
				? "superseded"
				: "closed";
	}

	async #pause(): Promise<void> {
		const [least, most] = this.#habits.paceMs;
		await this.#process.environment.sleep(least * (most / least) ** this.#process.roll());
	}

	/** The gate: a verified restore and a won fence. False if the store prevented it. */
	async #boot(): Promise<boolean> {
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			try {
				const since = now(this.#process.environment);
				const read = await readLog(this.#process.store);
				const restored = await this.#restore(read);
				this.onRestored(restored);
				const { head } = read;
				const writer = new LogWriter(this.#process.store, this.#process.environment, head, since);
				this.#intent = { kind: "tree", content: restored };
				const outcome = await this.#fence(writer);
				if (outcome === "won") {
					this.#writer = writer;
					this.#oracle.gateOpened(this.#process, writer);
					return true;
				}
				if (outcome === "unknown") return false;
			} catch (error) {
				if (!this.#isWeather(error)) throw error;
				await this.#process.environment.sleep(SECOND);
			}
		}
		return false;
	}

	async #fence(writer: LogWriter): Promise<"won" | "lost" | "unknown"> {
		let outcome: WriteOutcome = await writer.fence();
		for (let attempt = 0; outcome.kind === "unknown" && attempt < 3; attempt++) {
			await this.#process.environment.sleep(SECOND);
			outcome = (await writer.resolveCommit()) ?? outcome;
		}
		return outcome.kind === "committed" ? "won" : outcome.kind === "unknown" ? "unknown" : "lost";
	}

	/** Brings the disk to the head, keeping local changes, and returns the head's content as read. */
	async #restore(read: LogRead): Promise<Content> {
		const target = ownTree(read);
		const texts = await this.#texts(target, read);
		const { disk, base } = this.machine;
		const like = (node: string, entry: Entry<Chunk> | undefined) =>
			entry !== undefined && contentOfEntry(entry) === node;
		const onDisk = new Map<Path, OnDisk>();
		for (const [path, node] of disk) {
			const content = contentOfNode(node);
			onDisk.set(path, {
				type: node.type,
				likeTarget: like(content, target.get(path)),
				likeBase: like(content, base?.get(path)),
			});
		}
		const plan = planReconcile(onDisk, base, target, () => true);
		for (const [path, action] of plan)
			if (path !== "" && (action === "trash" || action.startsWith("quarantine")))
				remove(disk, path);
		for (const path of [...target.keys()].sort()) {
			const action = plan.get(path);
			if (path === "" || (action !== "write" && action !== "quarantine-and-write")) continue;
			const text = texts.get(path);
			put(disk, path, text === undefined ? { type: "dir" } : { type: "file", text });
		}
		this.machine.base = target;
		this.#local = new Map(target);
		return new Map(
			[...target].map(([path]) => {
				const text = texts.get(path);
				return [path, contentOfNode(text === undefined ? { type: "dir" } : { type: "file", text })];
			}),
		);
	}

	async #texts(target: ReadonlyMap<Path, Entry>, read: LogRead): Promise<Map<Path, string>> {
		const found = new Map<string, Buffer>();
		const name = ({ block, offset, length }: ChunkRef) =>
			`${block.key}:${block.offset}:${offset}:${length}`;
		const wanted = new Map<string, ChunkRef[]>();
		for (const entry of target.values()) {
			if (entry.type !== "file") continue;
			for (const chunk of entry.chunks) {
				const place = `${chunk.block.key}:${chunk.block.offset}`;
				wanted.set(place, [...(wanted.get(place) ?? []), chunk]);
			}
		}
		const blocks = [...wanted.values()].map(([first]) => (first as ChunkRef).block);
		await readBlocks(this.#process.store, blocks, read.starts, async (block, raw) => {
			for (const chunk of wanted.get(`${block.key}:${block.offset}`) ?? []) {
				const bytes = Buffer.from(raw.subarray(chunk.offset, chunk.offset + chunk.length));
				if (sha256(bytes) !== chunk.sha256)
					throw new SidecarError("OBJECT_CORRUPT", { value: block.key });
				found.set(name(chunk), bytes);
			}
		});
		const texts = new Map<Path, string>();
		for (const [path, entry] of target) {
			if (entry.type === "file")
				texts.set(
					path,
					Buffer.concat(entry.chunks.map((chunk) => found.get(name(chunk)) as Buffer)).toString(),
				);
		}
		return texts;
	}

	/** True if everything on the disk is durable. */
	async #tryFlush(closed: boolean): Promise<boolean> {
		try {
			return await this.#flush(closed);
		} catch (error) {
			if (!this.#isWeather(error)) throw error;
			return false;
		}
	}

	/** As a session does when idle. */
	async #tryRepack(): Promise<void> {
		const writer = this.#writer as LogWriter;
		if (writer.isSuperseded || writer.isUndecided) return;
		this.#intent = {
			kind: "tree",
			content: contents(ownTree(writer)),
		};
		try {
			const { kind } = await repack(this.#process.store, this.#process.environment, writer);
			if (kind === "unknown") this.#pending = { local: this.#local };
			if (kind === "committed") this.#oracle.repacked(this.#process, writer);
		} catch (error) {
			if (!this.#isWeather(error)) throw error;
		}
	}

	async #flush(closed: boolean): Promise<boolean> {
		const writer = this.#writer as LogWriter;
		const settled = await writer.resolveCommit();
		if (settled?.kind === "unknown") return false;
		const pending = this.#pending;
		this.#pending = undefined;
		if (settled?.kind === "committed" && pending !== undefined) this.#adopt(writer, pending);
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			const result = await this.#attempt(writer, closed);
			if (result !== "again") return result;
		}
		return false;
	}

	async #attempt(writer: LogWriter, closed: boolean): Promise<boolean | "again"> {
		const { store, environment } = this.#process;
		const inlineLimitBytes = this.#process.roll() < this.#habits.packs ? 0 : writer.inlineRoomBytes;
		const builder = new BlockBuilder({ store, environment, index: writer.index, inlineLimitBytes });
		const captured = new Map(this.machine.disk);
		const changed = new Map<Path, Entry<Chunk>>();
		for (const [path, node] of captured) {
			const known = this.#local.get(path);
			if (known !== undefined && contentOfEntry(known) === contentOfNode(node)) continue;
			if (node.type === "dir") changed.set(path, { type: "dir", mode: 0o755, mtimeNs: 0n });
			else {
				const chunks: Chunk[] = [];
				for (const bytes of chunksOf(node.text)) {
					const sha = sha256(bytes);
					chunks.push(
						writer.index.lookup(sha) ?? builder.lookup(sha) ?? (await builder.add(sha, bytes)),
					);
				}
				changed.set(path, {
					type: "file",
					mode: 0o644,
					mtimeNs: 0n,
					size: Buffer.byteLength(node.text),
					chunkBits: CHUNK_BITS,
					chunks,
				});
			}
		}
		const removed = new Set([...this.#local.keys()].filter((path) => !captured.has(path)));
		if (changed.size + removed.size === 0 && !closed) return true;
		const inline = await builder.finish();
		const local = new Map(this.#local);
		for (const path of removed) local.delete(path);
		for (const [path, entry] of changed) local.set(path, entry);
		const isAside = writer.isSuperseded;
		const aside = isAside ? this.#aside(writer, changed) : new Map<Path, Entry<Chunk>>();
		if (isAside && aside.size === 0) {
			const lost = closed ? await writer.lookAtWon() : undefined;
			if (lost !== undefined) return this.#lost(writer, lost.isBroken);
			this.#local = local;
			return true;
		}
		this.#intent = isAside
			? { kind: "aside", content: contents(aside) }
			: { kind: "tree", content: contentOfDisk(captured) };
		const outcome = isAside
			? await writer.commit(
					{ changed: aside, removed: new Set() },
					inline,
					{ recovered: true },
					{ inHurry: closed },
				)
			: await writer.commit({ changed, removed }, inline, closed ? { closed: true } : {}, {
					inHurry: closed,
				});
		if (outcome.kind === "unknown") {
			this.#pending = { local };
			return false;
		}
		if (outcome.kind !== "committed")
			return this.#lost(writer, outcome.kind === "lost" && outcome.isBroken);
		this.#adopt(writer, { local });
		return (
			captured.size === this.machine.disk.size &&
			[...captured].every(([path, node]) => this.machine.disk.get(path) === node)
		);
	}

	/** If the log does not continue what this writer knew, only the log says what is durable. */
	#lost(writer: LogWriter, isBroken: boolean): "again" {
		if (isBroken) this.#local = ownTree(writer);
		return "again";
	}

	/** Errors that a sidecar survives; any other is a finding. */
	#isWeather(error: unknown): boolean {
		if (!(error instanceof SidecarError)) return false;
		return (
			error.category === "refused" ||
			error.category === "unreachable" ||
			error.code === "OBJECT_NOT_FOUND" ||
			(this.#oracle.isTorn && error.category === "damaged")
		);
	}

	#adopt(writer: LogWriter, { local }: Pending): void {
		this.#local = local;
		if (!writer.isSuperseded) this.machine.base = ownTree(writer);
		this.#oracle.acknowledged(this.#process, writer);
	}

	/**
	 * Files of a superseded writer, below its own directory. A file never replaces a directory there;
	 * its name gets a tilde.
	 */
	#aside(writer: LogWriter, changed: ReadonlyMap<Path, Entry<Chunk>>): Map<Path, Entry<Chunk>> {
		const { tree } = writer.head;
		const home = `${RECOVERED_DIRECTORY}/${writer.id}`;
		const aside = new Map<Path, Entry<Chunk>>();
		for (const [path, entry] of changed) {
			if (entry.type !== "file" || isRecovered(path)) continue;
			let target = `${home}/${path.replaceAll("/", "_")}`;
			while (tree.get(target)?.type === "dir") target += "~";
			aside.set(target, entry);
			for (let parent = parentOf(target); ; parent = parentOf(parent)) {
				if (tree.get(parent)?.type !== "dir")
					aside.set(parent, { type: "dir", mode: 0o700, mtimeNs: 0n });
				if (parent === "") break;
			}
		}
		return aside;
	}
}

export function isRecovered(path: Path): boolean {
	return path === RECOVERED_DIRECTORY || path.startsWith(`${RECOVERED_DIRECTORY}/`);
}

function ownTree({ head }: { readonly head: Head }): Map<Path, Entry> {
	return new Map([...head.tree].filter(([path]) => !isRecovered(path)));
}

function contents(tree: ReadonlyMap<Path, Entry<Chunk>>): Content {
	return new Map([...tree].map(([path, entry]) => [path, contentOfEntry(entry)]));
}
