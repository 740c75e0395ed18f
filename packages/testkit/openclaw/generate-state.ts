/**
 * Generates OpenClaw's state directory without OpenClaw: the demo's fallback, and a workload of the
 * benchmarks.
 *
 * Its shape, sizes and write pattern are those measured for OpenClaw 2026.9.6; see FakeGateway.
 * Everything depends on the seed alone.
 */
import { hash } from "node:crypto";
import {
	chmodSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FakeGateway, type TurnResult } from "./fake-gateway.ts";
import { Random } from "./random.ts";

export { FakeGateway, type TurnResult } from "./fake-gateway.ts";

export interface GenerateOptions {
	readonly seed: number;
	/** The number of turns that the agent took before. Each adds about 0.1 MB to the databases. */
	readonly turns: number;
	/** 1,555 files, 52 MB below cache/, which are never stored. */
	readonly withCache: boolean;
}

export interface Summary {
	readonly files: number;
	readonly directories: number;
	readonly links: number;
	readonly bytes: number;
	/** Files of cache/, tmp/ and plugin-skills/, which OpenClaw recreates. */
	readonly regenerated: { readonly files: number; readonly bytes: number };
	/** SHA-256 over every path, type, mode, size, link target and content. */
	readonly digest: string;
}

const FIRST_MS = Date.UTC(2026, 10, 1, 8);
const REGENERATED = /^(cache|tmp|plugin-skills)\//;

/** @param dir empty, or created */
export async function generateOpenClawState(
	dir: string,
	{ seed, turns, withCache }: GenerateOptions,
): Promise<Summary> {
	mkdirSync(dir, { recursive: true, mode: 0o700 });
	chmodSync(dir, 0o700);
	writeFileSync(join(dir, "openclaw.json"), CONFIG, { mode: 0o600 });
	writeFileSync(join(dir, "openclaw.json.bak"), CONFIG, { mode: 0o600 });
	const random = new Random(seed);
	writeFileSync(join(dir, "config-journal-fingerprint.key"), random.bytes(32), { mode: 0o600 });
	mkdirSync(join(dir, "credentials/whatsapp/default"), { recursive: true, mode: 0o700 });
	writeFileSync(
		join(dir, "credentials/whatsapp/default/creds.json"),
		JSON.stringify({ noiseKey: random.hex(64) }),
		{ mode: 0o600 },
	);
	mkdirSync(join(dir, "media/outbound"), { recursive: true, mode: 0o700 });
	writeFileSync(join(dir, `media/outbound/${random.uuid()}.png`), random.bytes(180_000), {
		mode: 0o600,
	});

	let clock = FIRST_MS + seed;
	const owner = { pid: 1, host: "generator" };
	const gateway = new FakeGateway(dir, {
		seed,
		withCache,
		now: () => clock++,
		statePath: "/home/node/.openclaw",
		owner,
	});
	gateway.start();
	for (let turn = 0; turn < turns; turn++) gateway.turn();
	gateway.stop();
	quarantineDatabase(join(dir, "state/openclaw-quarantine.sqlite"));
	return summarize(dir);
}

/**
 * One turn of a gateway that is started for it. To keep the databases open like the real one, use
 * your own FakeGateway.
 */
export function takeTurn(dir: string, n: number): TurnResult {
	const gateway = new FakeGateway(dir, { withCache: false });
	gateway.start();
	try {
		return gateway.turn(`question ${n}`);
	} finally {
		gateway.stop();
	}
}

export function summarize(dir: string): Summary {
	const counts = { files: 0, directories: 0, links: 0, bytes: 0 };
	const regenerated = { files: 0, bytes: 0 };
	const lines: string[] = [];
	for (const path of readdirSync(dir, { recursive: true, encoding: "utf8" }).sort()) {
		const file = join(dir, path);
		const stat = lstatSync(file);
		let content = "";
		if (stat.isDirectory()) counts.directories++;
		else if (stat.isSymbolicLink()) {
			counts.links++;
			content = readlinkSync(file);
		} else {
			counts.files++;
			counts.bytes += stat.size;
			if (REGENERATED.test(path)) {
				regenerated.files++;
				regenerated.bytes += stat.size;
			}
			content = `${stat.size} ${hash("sha256", readFileSync(file))}`;
		}
		lines.push(`${path} ${stat.mode.toString(8)} ${content}`);
	}
	return { ...counts, regenerated, digest: hash("sha256", lines.join("\n")) };
}

/** With a rollback journal, unlike the other two. */
function quarantineDatabase(file: string): void {
	const database = new DatabaseSync(file);
	database.exec(
		"CREATE TABLE verified (device INTEGER, inode INTEGER, at INTEGER); CREATE TABLE quarantined (path TEXT PRIMARY KEY, reason TEXT)",
	);
	database.close();
	chmodSync(file, 0o600);
}

const CONFIG = `${JSON.stringify(
	{
		gateway: {
			mode: "local",
			port: 18789,
			bind: "loopback",
			auth: { mode: "token", token: "not-a-secret-0123456789abcdef" },
		},
		agents: { defaults: { model: { primary: "fake/fake-1" }, models: { "fake/fake-1": {} } } },
		tools: { profile: "full" },
	},
	undefined,
	2,
)}\n`;
