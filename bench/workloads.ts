/**
 * The named directories that all measurements use. Content, names and modes depend only on the
 * seed; times are those of creation.
 */
import { closeSync, mkdirSync, openSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { generateOpenClawState } from "../packages/testkit/openclaw/generate-state.ts";
import { Random } from "./random.ts";
import { TextSource } from "./text.ts";

export interface Summary {
	files: number;
	directories: number;
	bytes: number;
}

export interface Workload {
	readonly name: string;
	/** A readable description. */
	readonly title: string;
	readonly profile: "plain" | "openclaw";
	/** Fills an empty directory. @param scale 1 is the named size, 0.01 a hundredth of it */
	make(directory: string, scale: number): Promise<Summary>;
}

const MiB = 1024 * 1024;
const SEED = 20261123;

/** Median 3 KB, p90 22 KB, p99 110 KB, mean 10 KB, as observed in agents' workspaces. */
const MEDIAN_BYTES = 3_000;
const SIGMA = 1.55;
const LARGEST_BYTES = 4 * MiB;

export const WORKLOADS: readonly Workload[] = [
	{
		name: "W1",
		title: "10,000 files in 1,000 directories, 100 MB of Markdown and JSONL, median 3 KB",
		profile: "plain",
		make: async (directory, scale) => notes(directory, 10_000 * scale, 1_000 * scale, SEED),
	},
	{
		name: "W2",
		title: "OpenClaw's state directory after 50 turns",
		profile: "openclaw",
		make: async (directory, scale) =>
			await generated(directory, Math.max(1, Math.round(50 * scale))),
	},
	{
		name: "W3",
		title: "one SQLite file of 512 MB in WAL mode and 2,000 small files",
		profile: "plain",
		make: async (directory, scale) => {
			const summary = notes(directory, 2_000 * scale, 200 * scale, SEED + 3);
			database(join(directory, "memory.sqlite"), 512 * MiB * scale);
			return sum(summary, {
				files: 1,
				directories: 0,
				bytes: statSync(join(directory, "memory.sqlite")).size,
			});
		},
	},
	{
		name: "W4",
		title: "50,000 files in 5,000 directories, 500 MB",
		profile: "plain",
		make: async (directory, scale) => notes(directory, 50_000 * scale, 5_000 * scale, SEED + 4),
	},
	{
		name: "W5",
		title: "10,000 files of 256 KiB that do not compress (2.6 GB)",
		profile: "plain",
		make: async (directory, scale) =>
			equalFiles(directory, Math.ceil(10_000 * scale), 256 * 1024, SEED + 5),
	},
];

export function workload(name: string): Workload {
	const found = WORKLOADS.find((each) => each.name === name);
	if (found === undefined)
		throw new Error(
			`unknown workload ${name}; known: ${WORKLOADS.map((each) => each.name).join(", ")}`,
		);
	return found;
}

/** Markdown and JSONL, half each, with log-normal sizes, in directories up to four levels deep. */
export function notes(
	directory: string,
	files: number,
	directories: number,
	seed: number,
): Summary {
	const random = new Random(seed);
	const text = new TextSource(random);
	const made = tree(directory, Math.ceil(directories), random);
	const summary: Summary = { files: Math.ceil(files), directories: made.length, bytes: 0 };
	for (let i = 0; i < summary.files; i++) {
		const size = Math.min(
			LARGEST_BYTES,
			Math.round(MEDIAN_BYTES * Math.exp(SIGMA * random.normal())),
		);
		const isNote = random.next() < 0.5;
		const place = made[random.below(made.length)] as string;
		writeFileSync(
			join(place, isNote ? `note-${i}.md` : `session-${i}.jsonl`),
			isNote ? text.markdown(size) : text.jsonl(size),
			{
				mode: random.next() < 0.05 ? 0o600 : 0o644,
			},
		);
		summary.bytes += size;
	}
	return summary;
}

/** The shape of the aws-crt-s3-benchmarks: many files of one size. */
export function equalFiles(
	directory: string,
	files: number,
	sizeBytes: number,
	seed: number,
): Summary {
	const random = new Random(seed);
	const bytes = random.fill(Buffer.allocUnsafe(sizeBytes + files * 4));
	mkdirSync(join(directory, "data"), { recursive: true });
	// Each begins at another offset in the same random bytes: no two share an aligned block, and none
	// compresses.
	for (let i = 0; i < files; i++)
		writeFileSync(join(directory, "data", `${i}.bin`), bytes.subarray(i * 4, i * 4 + sizeBytes));
	return { files, directories: 1, bytes: files * sizeBytes };
}

/** One incompressible file, in which no MiB repeats. */
export function bigFile(file: string, sizeBytes: number): void {
	const block = new Random(SEED + 6).fill(Buffer.allocUnsafe(MiB));
	const fd = openSync(file, "w");
	for (let at = 0; at < sizeBytes; at += MiB) {
		block.writeDoubleLE(at, 0);
		writeSync(fd, block, 0, Math.min(MiB, sizeBytes - at));
	}
	closeSync(fd);
}

const PAGE_BYTES = 4096;
/**
 * One row per page: with its header and the page's it fills more than half, so that a second one
 * does not fit.
 */
const ROW_BYTES = 3_400;

/**
 * A WAL-mode database of text and embeddings, one row per page, closed normally, so that no WAL is
 * left.
 */
export function database(file: string, sizeBytes: number): void {
	const random = new Random(SEED + 7);
	const text = new TextSource(random);
	const db = new DatabaseSync(file);
	db.exec(
		`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE memory (id INTEGER PRIMARY KEY, body BLOB NOT NULL)`,
	);
	const insert = db.prepare("INSERT INTO memory (body) VALUES (?)");
	const rows = Math.max(1, Math.floor(sizeBytes / PAGE_BYTES));
	for (let row = 0; row < rows; ) {
		db.exec("BEGIN");
		for (const end = Math.min(rows, row + 5_000); row < end; row++)
			insert.run(rowBody(text, random));
		db.exec("COMMIT");
	}
	db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
	db.close();
}

/**
 * Rewrites `share` of the rows, chosen at random, in one transaction. The transaction stays in the
 * WAL until `close`, as in a running agent.
 */
export function touchRows(
	file: string,
	share: number,
	seed: number,
): { readonly touchedBytes: number; close(): void } {
	const random = new Random(seed);
	const text = new TextSource(random);
	const db = new DatabaseSync(file);
	db.exec("PRAGMA wal_autocheckpoint = 0");
	const { rows } = db.prepare("SELECT max(id) AS rows FROM memory").get() as { rows: number };
	const ids = new Set<number>();
	while (ids.size < Math.max(1, Math.round(rows * share))) ids.add(1 + random.below(rows));
	const update = db.prepare("UPDATE memory SET body = ? WHERE id = ?");
	db.exec("BEGIN");
	for (const id of ids) update.run(rowBody(text, random), id);
	db.exec("COMMIT");
	return { touchedBytes: ids.size * PAGE_BYTES, close: () => db.close() };
}

/**
 * Text with a tenth of floats. It compresses 3.5 times (zstd level 3, 1 MiB frames), like a
 * database of notes, vectors and a full-text index.
 */
function rowBody(text: TextSource, random: Random): Buffer {
	const body = Buffer.allocUnsafe(ROW_BYTES);
	const split = Math.floor(ROW_BYTES * 0.9) & ~3;
	text.markdown(split).copy(body);
	for (let at = split; at + 4 <= ROW_BYTES; at += 4) body.writeFloatLE(random.normal() / 20, at);
	return body;
}

/** OpenClaw's state directory after this many turns. */
export async function generated(directory: string, turns: number): Promise<Summary> {
	const { files, directories, bytes } = await generateOpenClawState(directory, {
		seed: SEED,
		turns,
		withCache: true,
	});
	return { files, directories, bytes };
}

/** Directories, of which every second one is inside an earlier one, at most four deep. */
function tree(root: string, count: number, random: Random): string[] {
	const made: { readonly path: string; readonly depth: number }[] = [];
	while (made.length < Math.max(1, count)) {
		const above =
			made.length > 0 && random.next() < 0.7 ? made[random.below(made.length)] : undefined;
		const parent = above !== undefined && above.depth < 4 ? above : { path: root, depth: 0 };
		const path = join(parent.path, `d${made.length}`);
		mkdirSync(path, { recursive: true });
		made.push({ path, depth: parent.depth + 1 });
	}
	return made.map(({ path }) => path);
}

function sum(a: Summary, b: Summary): Summary {
	return {
		files: a.files + b.files,
		directories: a.directories + b.directories,
		bytes: a.bytes + b.bytes,
	};
}
