/** Waits until the log contains what is on the disk, with both seen from outside. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Running } from "../packages/testkit/processes.ts";
import { compareDatabases, databasesOf, type Entry, isVolatile, scan } from "./compare.ts";
import { firstOf } from "./report.ts";
import type { ListedEntry, Sidecar } from "./sidecar.ts";

export interface Durable {
	/** The newest commit once everything was there. */
	readonly seq: number;
	/** The number of commits in this episode. */
	readonly commits: number;
	/** The bytes that those commits uploaded. */
	readonly bytes: number;
	/** The log's copy of each database by path: the state that it had acknowledged at that moment. */
	readonly databases: ReadonlyMap<string, string>;
}

export interface Episode {
	readonly daemon: Running;
	readonly sidecar: Sidecar;
	/** The state directory, as seen from outside. */
	readonly disk: string;
	/** The position of this episode's first daemon event. */
	readonly from: number;
	/** The directory for the log's copies of the databases. */
	readonly copies: string;
}

/**
 * Less than the minute after which a sweep finds what the watcher missed, so that the watcher must
 * find it.
 */
const LIMIT_MS = 30_000;

/**
 * Compares again after each commit that the daemon reports. The databases must contain every row of
 * the live ones.
 * @throws with the differences if they remain
 */
export async function durable({ daemon, sidecar, disk, from, copies }: Episode): Promise<Durable> {
	const until = performance.now() + LIMIT_MS;
	for (;;) {
		const looked = daemon.mark;
		const databases = new Map<string, string>();
		const problems = await difference(sidecar, disk, copies, databases);
		if (problems.length === 0) {
			const commits = daemon.events("flush.committed", from);
			const seq = Number(daemon.events("flush.committed").at(-1)?.seq ?? 0);
			const uploaded = commits.reduce((sum, { bytes }) => sum + Number(bytes ?? 0), 0);
			return { seq, commits: commits.length, bytes: uploaded, databases };
		}
		const left = Math.max(1, Math.ceil(until - performance.now()));
		await daemon.event("flush.committed", looked, left).catch((error: Error) => {
			throw new Error([error.message, ...firstOf(problems)].join("\n"));
		});
	}
}

async function difference(
	sidecar: Sidecar,
	root: string,
	copies: string,
	databases: Map<string, string>,
): Promise<readonly string[]> {
	const listed = new Map((await sidecar.list()).map((entry) => [entry.path, entry]));
	const disk = scan(root);
	const problems: string[] = [];
	for (const [path, entry] of disk) {
		const other = listed.get(path);
		if (other === undefined) problems.push(`${path}: not in the log yet`);
		else if (!isSame(entry, other)) problems.push(`${path}: the log has an older one`);
	}
	for (const path of listed.keys())
		if (!disk.has(path) && !isVolatile(path)) problems.push(`${path}: still in the log`);
	if (problems.length > 0) return problems;

	mkdirSync(copies, { recursive: true });
	for (const [i, path] of databasesOf(disk).entries()) {
		const copy = join(copies, `${i}.sqlite`);
		writeFileSync(copy, await sidecar.cat(path));
		problems.push(...compareDatabases(path, join(root, path), copy).problems);
		databases.set(path, copy);
	}
	return problems;
}

function isSame(entry: Entry, listed: ListedEntry): boolean {
	if (entry.type !== listed.type) return false;
	if (entry.type === "link") return entry.target === listed.target;
	if (entry.mode !== Number.parseInt(listed.mode ?? "", 8)) return false;
	return (
		entry.type === "dir" ||
		entry.isDatabase ||
		(entry.size === listed.size && String(entry.mtimeNs) === listed.mtimeNs)
	);
}
