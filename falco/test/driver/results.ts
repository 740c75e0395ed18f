/**
 * The results of real engines, which `falco/test/run --record` writes and falco/README.md shows. A
 * result belongs to the rules and scripts that it was made with: after a change it counts as not run.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Case, scriptOf, TEST, type Way, waysOf } from "./cases.ts";
import { itemsOf } from "./places.ts";

const FILE = join(TEST, "results.json");
/** What every script runs in. */
const SHARED = ["world.sh", "syscall.pl"];

export interface Run {
	/** As `versionOf` prints it. */
	readonly engine: string;
	/** How the engine was obtained, and where it ran. */
	readonly built: string;
	/** YYYY-MM-DD */
	readonly date: string;
	/** What the normal session was, and its alerts; absent if it was not run. */
	readonly session?: string;
	/** `kind/name way` to whether the alerts were as expected, and the digest of what was run. */
	readonly checks: Readonly<Record<string, Check>>;
}

interface Check {
	readonly ok: boolean;
	readonly of: string;
}

export type Result = "ok" | "failed" | "not run";

export function readRuns(): readonly Run[] {
	return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as readonly Run[]) : [];
}

/** The result of all that is done for a case: `failed` if one is, `not run` if one is missing. */
export function resultOf({ checks }: Run, one: Case): Result {
	const of = digestOf(one);
	const found = waysOf(one).map((way) => checks[keyOf(one, way)]);
	if (found.some((check) => check !== undefined && check.of === of && !check.ok)) return "failed";
	return found.every((check) => check !== undefined && check.of === of) ? "ok" : "not run";
}

/** Replaces the results of the same engine for the same cases. */
export function recordRun(
	engine: string,
	built: string,
	session: string | undefined,
	results: readonly { readonly one: Case; readonly way: Way; readonly ok: boolean }[],
): void {
	const runs = readRuns();
	const before = runs.find((run) => run.engine === engine);
	const checks = {
		...before?.checks,
		...Object.fromEntries(
			results.map(({ one, way, ok }) => [keyOf(one, way), { ok, of: digestOf(one) }]),
		),
	};
	const date = new Date().toISOString().slice(0, 10);
	const last = session ?? before?.session;
	const run: Run = { engine, built, date, ...(last !== undefined && { session: last }), checks };
	const all = [...runs.filter((other) => other.engine !== engine), run];
	all.sort((a, b) => (a.engine < b.engine ? -1 : 1));
	writeFileSync(FILE, `${JSON.stringify(all, undefined, "\t")}\n`);
}

const keyOf = ({ kind, name }: Case, way: Way) => `${kind}/${name} ${way}`;

/** Changes with everything that decides over alerts, and not with texts. */
export function digestOf(one: Case): string {
	const { kind, name, as, network, trigger, evasion } = one;
	const scripts = [
		...(kind === "cloudtrail" ? [] : SHARED.map((file) => join(TEST, file))),
		...waysOf(one).map((way) => join(TEST, kind, name, scriptOf(kind, way))),
	];
	const hash = createHash("sha256");
	for (const { rule, macro, list, condition, items, enabled } of itemsOf(kind))
		hash.update(JSON.stringify([rule, macro, list, condition, items, enabled]));
	hash.update(JSON.stringify([as, network, trigger, evasion]));
	for (const path of scripts) hash.update(readFileSync(path)).update("\0");
	return hash.digest("hex").slice(0, 12);
}
