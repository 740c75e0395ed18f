import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { cpuMs } from "../proc.ts";
import { Random } from "../random.ts";
import type { Line } from "../results.ts";
import { median, megabytes, milliseconds } from "../statistics.ts";
import { database } from "../workloads.ts";

const DATABASE_BYTES = 1024 ** 3;
const TURNS = 10;
/** Rows of one page each. Ten turns fill most of a log; SQLite checkpoints it at 1,000 pages. */
const PAGES = 77;
const MAX_SENT_BYTES = 3e6;
const MAX_CPU_MS = 300;
/** As in `database`: a row fills more than half of its page. */
const BODY_BYTES = 3_400;
/** Until a write would show in the file's times, and the daemon is idle again. */
const BETWEEN_MS = 3_000;

/** A quiet period, so that one turn is one flush. */
const SETTINGS = ["--quiet-period", "200ms", "--max-delay", "5s"];

export const database1gb: Measurement = {
	name: "database-1gb",
	title: `A 1 GB database in WAL mode of which each turn changes ${PAGES} pages, ${TURNS} turns and then one checkpoint a turn, beside its open writer`,
	run: async (lab) => {
		const workspace = lab.fresh("database");
		mkdirSync(workspace);
		const file = join(workspace, "memory.sqlite");
		database(file, DATABASE_BYTES * lab.options.scale);
		const place = lab.place(workspace, "database-1gb", "plain", lab.countedEndpoint);
		await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
		const writer = new Writer(file);
		const daemon = await lab.tool.daemon(place, SETTINGS);
		const lines: Line[] = [];
		let walBytes = 0;
		try {
			// The first read is whole: what the restore knows is not what a capture knows.
			for (const [name, turns, isCheckpointed] of [
				["first", 1, false],
				["", TURNS, false],
				[", each with a checkpoint", TURNS, true],
			] as const) {
				const turnsMade: Turn[] = [];
				for (let turn = 0; turn < turns; turn++) {
					await delay(BETWEEN_MS);
					const from = daemon.events.length;
					const before = { cpu: cpuMs(daemon.pid).own, read: readBytes(daemon.pid) };
					const { result, traffic } = await lab.counted(async () => {
						writer.turn(PAGES, isCheckpointed);
						return await daemon.event("flush.committed", from);
					});
					walBytes = Math.max(walBytes, statSync(`${file}-wal`).size);
					turnsMade.push({
						cpuMs: cpuMs(daemon.pid).own - before.cpu,
						readBytes: readBytes(daemon.pid) - before.read,
						sentBytes: traffic.sentBytes,
						flushMs: Number(result.ms),
					});
				}
				if (name !== "first") lines.push(...linesOf(name, turnsMade));
			}
		} finally {
			writer.close();
			await daemon.stop();
		}
		return {
			lines: [...lines, await soundness(lab, place.namespace)],
			notes: [`the log grew to ${megabytes(walBytes)}; SQLite's own limit is 4 MB`],
		};
	},
};

interface Turn {
	readonly cpuMs: number;
	readonly readBytes: number;
	readonly sentBytes: number;
	readonly flushMs: number;
}

function linesOf(name: string, turns: readonly Turn[]): Line[] {
	const sent = Math.max(...turns.map(({ sentBytes }) => sentBytes));
	const cpu = median(turns.map((each) => each.cpuMs));
	const read = Math.max(...turns.map((each) => each.readBytes));
	const flush = median(turns.map(({ flushMs }) => flushMs));
	return [
		{
			what: `1 GB SQLite, ${PAGES} pages a turn${name}: most bytes uploaded by a flush`,
			budget: `< ${megabytes(MAX_SENT_BYTES)}`,
			measured: megabytes(sent),
			ratio: sent / MAX_SENT_BYTES,
			isMet: sent < MAX_SENT_BYTES,
		},
		{
			what: `1 GB SQLite, ${PAGES} pages a turn${name}: CPU time of a flush`,
			budget: `< ${milliseconds(MAX_CPU_MS)}`,
			measured: `${milliseconds(cpu)}; it read ${megabytes(read)} at most and took ${milliseconds(flush)}`,
			ratio: cpu / MAX_CPU_MS,
			isMet: cpu < MAX_CPU_MS,
		},
	];
}

async function soundness(lab: Lab, namespace: string): Promise<Line> {
	const directory = lab.fresh("restored");
	await lab.tool.run("restore", lab.place(directory, namespace, "plain", lab.directEndpoint));
	using db = new DatabaseSync(join(directory, "memory.sqlite"));
	const answer = String(db.prepare("PRAGMA integrity_check(1)").get()?.integrity_check);
	return {
		what: "1 GB SQLite: integrity_check of the restored copy",
		budget: "ok",
		measured: answer,
		isMet: answer === "ok",
	};
}

/** Bytes that a process has read, from the disk or from memory. */
function readBytes(pid: number): number {
	return Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** The agent: it keeps the database open, so its commits stay in the log until a checkpoint. */
class Writer {
	readonly #db: DatabaseSync;
	readonly #random = new Random(1);
	readonly #rows: number;

	constructor(file: string) {
		this.#db = new DatabaseSync(file, { timeout: 10_000 });
		this.#rows = Number(this.#db.prepare("SELECT max(id) AS rows FROM memory").get()?.rows);
	}

	turn(pages: number, isCheckpointed: boolean): void {
		const update = this.#db.prepare("UPDATE memory SET body = ? WHERE id = ?");
		this.#db.exec("BEGIN IMMEDIATE");
		for (let page = 0; page < pages; page++)
			update.run(
				this.#random.fill(Buffer.allocUnsafe(BODY_BYTES)),
				1 + this.#random.below(this.#rows),
			);
		this.#db.exec("COMMIT");
		if (isCheckpointed) this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
	}

	close(): void {
		this.#db.close();
	}
}
