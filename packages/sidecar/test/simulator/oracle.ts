/**
 * Observes everything: each object as it lands, and each answer that a writer believes. Checks it
 * against the invariants, each by its name, and records violations.
 */

import type { LogWriter } from "../../src/commit/log-writer.ts";
import { openBlock } from "../../src/log/block.ts";
import { type DecodedCommit, decodeCommit } from "../../src/log/commit-codec.ts";
import { EMPTY_HEAD, foldCommits, type Head } from "../../src/log/fold.ts";
import { logKey, seqOfKey } from "../../src/log/keys.ts";
import { isRestorable } from "../../src/log/safe-path.ts";
import type { ChunkRef, Path, Tree } from "../../src/log/types.ts";
import type { Cloud, CloudObject } from "./cloud.ts";
import { type Content, contentOfEntry, contentOfTree, difference, sha256 } from "./disk.ts";
import type { Process } from "./process.ts";
import { type Intent, isRecovered } from "./sidecar.ts";
import { DAY, type World } from "./world.ts";

export type Invariant =
	| "gateOpensAfterFence"
	| "everyAckedByteReachable"
	| "headIsRestorable"
	| "noDanglingReference"
	| "headIsOwnersTree"
	| "historyIsImmutable"
	| "restoreEqualsCommit"
	/** A writer believes only what the log says. */
	| "believedIsDurable"
	/** Content that a drain reports as durable is in a commit. */
	| "noByteIsLost"
	/** No code here meets an error that it cannot explain. */
	| "noUnexpectedError";

export interface Violation {
	readonly invariant: Invariant;
	readonly what: string;
}

interface Landed {
	readonly id: string;
	readonly head: Head;
	readonly atMs: number;
}

/** The time for which history is kept complete. */
const KEPT_MS = 7 * DAY;

export class Oracle {
	readonly #world: World;
	readonly #cloud: Cloud;
	readonly violations: Violation[] = [];
	/** By seq, the first commit that landed there. */
	readonly #landed = new Map<number, Landed>();
	#newest = 0;
	readonly #intents = new Map<string, Intent>();
	/** The seqs that a writer was told are durable. */
	readonly #acked = new Set<number>();
	/** Places of chunks whose bytes were verified. */
	readonly #proven = new Set<string>();
	/**
	 * Slots on which someone relies, because a gate was opened or a drain reported durable. By seq,
	 * the writer of the commit in it.
	 */
	readonly #relied = new Map<
		number,
		{ readonly id: string; readonly invariant: Invariant; readonly who: string }
	>();
	#isTorn = false;
	readonly counts = {
		replaced: 0,
		torn: 0,
		commits: 0,
		fences: 0,
		aside: 0,
		repacks: 0,
		full: 0,
		packs: 0,
		acks: 0,
		deleted: 0,
		strays: 0,
		gates: 0,
	};

	constructor(world: World, cloud: Cloud) {
		this.#world = world;
		this.#cloud = cloud;
		cloud.onCreated = (key, object) => this.#created(key, object);
		cloud.onDeleted = (key) => this.#deleted(key);
		cloud.onReplaced = (key, object) => this.#replaced(key, object);
	}

	/**
	 * A racy store replaced an acknowledged commit that others had built upon. The log then needs
	 * repair, and the only guarantee left is that no gate opens on it and no drain reports durable.
	 */
	get isTorn(): boolean {
		return this.#isTorn;
	}

	broken(invariant: Invariant, what: string): void {
		this.violations.push({ invariant, what });
		this.#world.tell(() => `BROKEN ${invariant}: ${what}`);
	}

	get newestSeq(): number {
		return this.#newest;
	}

	/** A commit leaves its writer; its expected content is known from then on. */
	sent(process: Process, key: string, bytes: Buffer, intent: Intent): void {
		if (process.isReliving || seqOfKey(key) === undefined) return;
		const id = idOf(bytes);
		if (!this.#intents.has(id)) this.#intents.set(id, intent);
	}

	gateOpened(process: Process, writer: LogWriter): void {
		if (process.isReliving) return;
		this.counts.gates++;
		this.#world.tell(
			() => `${process.name}: gate open, fence ${writer.head.seq}, writer ${writer.id.slice(0, 6)}`,
		);
		this.#relies(process, writer, "gateOpensAfterFence");
		const fence = this.#landed.get(writer.head.seq);
		if (
			!this.#isTorn &&
			(fence === undefined || fence.id !== writer.head.id || fence.head.fence.writer !== writer.id)
		)
			this.broken(
				"gateOpensAfterFence",
				`${process.name} opened its gate on fence ${writer.head.seq}, which the log does not have`,
			);
		this.acknowledged(process, writer);
	}

	/**
	 * A drain reported that everything on the disk is durable, but no readable commit has some of it.
	 */
	closed(process: Process, writer: LogWriter, disk: Content): void {
		if (process.isReliving) return;
		this.#relies(process, writer, "believedIsDurable");
		if (this.#isTorn) return;
		const inLog = new Set<string>();
		for (const { head } of this.#landed.values())
			for (const entry of head.tree.values()) inLog.add(contentOfEntry(entry));
		for (const [path, content] of disk)
			if (content !== "dir" && !inLog.has(content))
				this.broken(
					"noByteIsLost",
					`${process.name} said that ${path} is durable, and no commit has it`,
				);
	}

	/** From now on nothing may replace the commit, and nothing has. */
	#relies({ name: who }: Process, { head: { seq, id } }: LogWriter, invariant: Invariant): void {
		const there = this.#cloud.objects.get(logKey(seq));
		if (there !== undefined && idOf(there.body) !== id)
			this.broken(invariant, `${who} relies on commit ${seq}, and another writer's is in its slot`);
		this.#relied.set(seq, { id, invariant, who });
	}

	#replaced(key: string, { body }: CloudObject): void {
		const seq = seqOfKey(key);
		if (seq === undefined) return;
		this.counts.replaced++;
		this.#world.tell(() => `the store replaces commit ${seq} by one of another writer`);
		const relied = this.#relied.get(seq);
		if (relied !== undefined && relied.id !== idOf(body))
			this.broken(
				relied.invariant,
				`${relied.who} relied on commit ${seq}, and the store replaced it`,
			);
		this.#acked.delete(seq);
		if (seq !== this.#newest) return this.#tear();
		this.#landed.delete(seq);
		this.#newest = seq - 1;
		this.#extend(seq, decodeCommit(key, body, body.length));
	}

	#tear(): void {
		if (!this.#isTorn) this.counts.torn++;
		this.#isTorn = true;
	}

	/** A writer was told that its newest commit is durable. */
	acknowledged(process: Process, writer: LogWriter): void {
		if (process.isReliving || this.#isTorn) return;
		this.counts.acks++;
		const { seq, id, tree } = writer.head;
		const landed = this.#landed.get(seq);
		// An ordinary commit is not read back, so the next check finds a replacement by a racy store.
		if (landed?.id !== id && this.counts.replaced > 0) return;
		if (landed?.id !== id)
			return this.broken(
				"believedIsDurable",
				`${process.name} believes in commit ${seq}, which the log does not have`,
			);
		this.#acked.add(seq);
		const path = difference(
			contentOfTree(landed.head.tree, () => true),
			contentOfTree(tree, () => true),
		);
		if (path !== undefined)
			this.broken(
				"believedIsDurable",
				`${process.name}'s head ${seq} is not what the log says at ${path}`,
			);
	}

	/** A writer was told that its content is now elsewhere. */
	repacked(process: Process, writer: LogWriter): void {
		if (!process.isReliving) this.counts.repacks++;
		this.acknowledged(process, writer);
	}

	/** A fresh machine must get what the log's newest commit says. */
	restored(content: Content): void {
		if (this.#isTorn) return;
		const head = this.#landed.get(this.#newest)?.head ?? EMPTY_HEAD;
		const path = difference(
			contentOfTree(head.tree, (each) => !isRecovered(each)),
			content,
		);
		if (path !== undefined)
			this.broken(
				"restoreEqualsCommit",
				`${path} was restored as something else than commit ${this.#newest} has`,
			);
	}

	/** At the end of a run, everything that must still exist does. */
	concluded(): void {
		if (this.#isTorn) return;
		for (const [seq, { id, head, atMs }] of this.#landed) {
			if (seq !== this.#newest && this.#world.nowMs - atMs >= KEPT_MS) continue;
			const object = this.#cloud.objects.get(logKey(seq));
			const invariant = this.#acked.has(seq) ? "everyAckedByteReachable" : "historyIsImmutable";
			if (object === undefined) this.broken(invariant, `commit ${seq} is gone`);
			else if (idOf(object.body) !== id)
				this.broken("historyIsImmutable", `commit ${seq} is another one now`);
			this.#checkReferences(head.tree, seq, invariant);
		}
	}

	#created(key: string, object: CloudObject): void {
		const seq = seqOfKey(key);
		if (seq === undefined) {
			this.counts.packs++;
			return;
		}
		if (this.#isTorn) return;
		const commit = decodeCommit(key, object.body, object.body.length);
		const { flags, kind } = commit.info;
		this.#world.tell(
			() =>
				`commit ${seq} lands: ${kind} of ${commit.info.writer.slice(0, 6)} ${Object.keys(flags).join(" ")} ${[...commit.changed.keys()]}`,
		);
		const before = this.#landed.get(seq);
		if (before !== undefined) {
			// In a slot that retention swept. Its writer must notice; readers never get here.
			this.counts.strays++;
			return;
		}
		if (seq !== this.#newest + 1)
			return this.broken("historyIsImmutable", `commit ${seq} landed on ${this.#newest}: a gap`);
		this.counts.commits++;
		if (flags.fence === true) this.counts.fences++;
		if (flags.recovered === true) this.counts.aside++;
		if (kind === "full") this.counts.full++;
		this.#extend(seq, commit);
	}

	#extend(seq: number, commit: DecodedCommit): void {
		const previous = this.#landed.get(seq - 1)?.head ?? EMPTY_HEAD;
		let head: Head;
		try {
			head = foldCommits(previous, [commit]);
		} catch (error) {
			// Its writer continues from a commit that was replaced.
			if (this.counts.replaced > 0) return this.#tear();
			return this.broken("headIsRestorable", `commit ${seq} does not fold: ${error}`);
		}
		if (!isRestorable(head.tree))
			this.broken("headIsRestorable", `the tree of commit ${seq} does not hold together`);
		this.#newest = seq;
		this.#landed.set(seq, { id: commit.id, head, atMs: this.#world.nowMs });
		this.#checkOwner(commit, previous, head);
		this.#checkReferences(head.tree, seq, "noDanglingReference");
	}

	#checkOwner(commit: DecodedCommit, previous: Head, head: Head): void {
		const { info, id } = commit;
		const owns = head.fence.writer === info.writer && head.fence.seq === info.fenceSeq;
		const isNobody = info.fenceSeq === 0 && info.flags.recovered === true;
		if (
			info.flags.fence !== true &&
			!isNobody &&
			!(info.fenceSeq < info.seq && this.#isFence(info.fenceSeq, info.writer))
		)
			this.broken("gateOpensAfterFence", `commit ${info.seq} is of a writer that holds no fence`);
		if (head.leftOut > 0)
			this.broken(
				"headIsOwnersTree",
				`commit ${info.seq} lists what is not its writer's to change`,
			);
		const intent = this.#intents.get(id);
		if (intent === undefined)
			return this.broken("historyIsImmutable", `commit ${info.seq} was sent by nobody`);
		const outside = contentOfTree(head.tree, (path) => !isRecovered(path));
		if (owns) {
			const path =
				intent.kind === "tree" ? difference(outside, intent.content) : "(quarantined by the owner)";
			if (path !== undefined)
				this.broken(
					"headIsOwnersTree",
					`commit ${info.seq} has another ${path} than its owner's disk`,
				);
			return;
		}
		const path = difference(
			outside,
			contentOfTree(previous.tree, (each) => !isRecovered(each)),
		);
		// Only the very first commit of a log may create the root, whichever writer sends it.
		if (path !== undefined && previous.tree.has(""))
			this.broken("headIsOwnersTree", `commit ${info.seq} of no owner changed ${path}`);
		for (const [target, content] of intent.kind === "aside" ? intent.content : [])
			if (
				target !== "" &&
				contentOfTree(head.tree, (each) => each === target).get(target) !== content
			)
				this.broken(
					"everyAckedByteReachable",
					`commit ${info.seq} set ${target} aside, and it is not there`,
				);
	}

	#isFence(seq: number, writer: string): boolean {
		return (
			this.#landed.get(seq)?.head.fence.seq === seq &&
			this.#landed.get(seq)?.head.fence.writer === writer
		);
	}

	#checkReferences(tree: Tree, seq: number, invariant: Invariant): void {
		for (const [path, chunk] of chunksOfTree(tree)) {
			const reason = this.#flaw(chunk);
			if (reason === undefined) continue;
			this.broken(invariant, `commit ${seq} refers to ${chunk.block.key} for ${path}: ${reason}`);
			return;
		}
	}

	/** Objects never change, so their bytes are checked once and their existence each time. */
	#flaw({ block, offset, length, sha256: wanted }: ChunkRef): string | undefined {
		const object = this.#cloud.objects.get(block.key);
		if (object === undefined) return "it is gone";
		const place = `${block.key}:${block.offset}:${offset}:${length}:${wanted}`;
		if (this.#proven.has(place)) return undefined;
		try {
			const raw = openBlock(
				block,
				object.body.subarray(block.offset, block.offset + block.storedBytes),
			);
			if (sha256(raw.subarray(offset, offset + length)) !== wanted) return "its bytes are others";
		} catch (error) {
			return String(error);
		}
		this.#proven.add(place);
		return undefined;
	}

	#deleted(key: string): void {
		this.counts.deleted++;
		if (this.#isTorn) return;
		for (const seq of [this.#newest, ...this.#landed.keys()]) {
			const { head, atMs } = this.#landed.get(seq) as Landed;
			if (seq !== this.#newest && this.#world.nowMs - atMs >= KEPT_MS) continue;
			const isNeeded =
				key === logKey(seq) || (seq === this.#newest && this.#isOfItsSegment(key, head));
			const invariant = this.#acked.has(seq) ? "everyAckedByteReachable" : "noDanglingReference";
			if (isNeeded)
				return this.broken(invariant, `${key} was deleted, and commit ${seq} is needed`);
			for (const [path, { block }] of chunksOfTree(head.tree))
				if (block.key === key)
					return this.broken(invariant, `${key} was deleted, and commit ${seq} has ${path} there`);
		}
	}

	#isOfItsSegment(key: string, head: Head): boolean {
		const seq = seqOfKey(key);
		return seq !== undefined && seq >= Math.max(1, head.fullSeq) && seq <= head.seq;
	}
}

function* chunksOfTree(tree: Tree): Generator<[Path, ChunkRef]> {
	for (const [path, entry] of tree)
		if (entry.type === "file") for (const chunk of entry.chunks) yield [path, chunk];
}

function idOf(bytes: Buffer): string {
	return bytes.toString("hex", 32, 64);
}
