/** Files of a machine's workspace, for the incident tests. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { Workbench } from "../../../testkit/workbench.ts";
import { type DiskEntry, readDisk } from "../../../testkit/workspace/disk.ts";
import type { FlushOptions } from "../../src/capture/flush-result.ts";
import type { Session } from "../../src/session/session.ts";

/** Text by path. */
export type Texts = Readonly<Record<string, string>>;

/** Writes files, and the directories above them. */
export function put(bench: Workbench, machine: string, texts: Texts): void {
	for (const [path, text] of Object.entries(texts)) {
		const file = join(bench.workspace(machine), path);
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, text);
	}
}

export function textOf(bench: Workbench, machine: string, path: string): string {
	return readFileSync(join(bench.workspace(machine), path), "utf8");
}

/** The contents of those files on that machine. */
export function textsOf(bench: Workbench, machine: string, paths: Iterable<string>): Texts {
	return Object.fromEntries([...paths].map((path) => [path, textOf(bench, machine, path)]));
}

/** A flush of everything, which must end in a commit; returns its seq. */
export async function commit(session: Session, options: FlushOptions = {}): Promise<number> {
	const result = await session.flush({ sweep: true, ...options });
	expect(result).toMatchObject({ kind: "committed", deferred: [] });
	return session.head.seq;
}

/**
 * The contents below a directory, without the directory itself, whose time changes with every
 * staging.
 */
export function below(directory: string): Map<string, DiskEntry> {
	const found = readDisk(directory);
	found.delete("");
	return found;
}
