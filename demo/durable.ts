/** Waits until the log holds what is on the disk, as an outsider sees both. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Comparison, compareDatabases, databasesOf, type Entry, isVolatile, scan } from "./compare.ts";
import type { Running } from "./processes.ts";
import type { ListedEntry, Sidecar } from "./sidecar.ts";

export interface Durable {
	/** The newest commit when all was there. */
	readonly seq: number;
	readonly commits: number;
	/** Uploaded by those commits. */
	readonly bytes: number;
}

const LIMIT_MS = 60_000;

/**
 * Looks again after each commit that the daemon reports. The databases have to hold every row that the live ones hold.
 * @param from where the daemon's events of this episode begin
 * @throws with the differences, when they have not gone after a minute
 */
export async function durable(daemon: Running, sidecar: Sidecar, stateDirectory: string, from: number): Promise<Durable> {
	const until = performance.now() + LIMIT_MS;
	for (;;) {
		const looked = daemon.mark;
		const problems = await difference(sidecar, stateDirectory);
		if (problems.length === 0) {
			const commits = daemon.events("flush.committed", from);
			const seq = Number(commits.at(-1)?.seq ?? 0);
			return { seq, commits: commits.length, bytes: commits.reduce((sum, { bytes }) => sum + Number(bytes ?? 0), 0) };
		}
		const left = until - performance.now();
		if (left <= 0) throw new Error(`not durable after ${LIMIT_MS / 1000} s:\n${problems.slice(0, 10).join("\n")}`);
		await daemon.event("flush.committed", looked, left).catch((error: Error) => {
			throw new Error(`${error.message}\n${problems.slice(0, 10).join("\n")}`);
		});
	}
}

async function difference(sidecar: Sidecar, stateDirectory: string): Promise<Comparison["problems"]> {
	const listed = new Map((await sidecar.list()).map((entry) => [entry.path, entry]));
	const disk = scan(stateDirectory);
	const problems: string[] = [];
	for (const [path, entry] of disk) {
		const other = listed.get(path);
		if (other === undefined) problems.push(`${path}: not in the log yet`);
		else if (!isSame(entry, other)) problems.push(`${path}: the log has an older one`);
	}
	for (const path of listed.keys()) if (!disk.has(path) && !isVolatile(path)) problems.push(`${path}: still in the log`);
	if (problems.length > 0) return problems;

	const directory = mkdtempSync(join(tmpdir(), "openclaw-demo-cat-"));
	try {
		const copy = join(directory, "cat.sqlite");
		for (const path of databasesOf(disk)) {
			writeFileSync(copy, await sidecar.cat(path));
			problems.push(...compareDatabases(path, join(stateDirectory, path), copy).problems);
		}
		return problems;
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

function isSame(entry: Entry, listed: ListedEntry): boolean {
	if (entry.type !== listed.type) return false;
	if (entry.type === "link") return entry.target === listed.target;
	if (entry.mode !== Number.parseInt(listed.mode ?? "", 8)) return false;
	return entry.type === "dir" || entry.isDatabase || (entry.size === listed.size && String(entry.mtimeNs) === listed.mtimeNs);
}
