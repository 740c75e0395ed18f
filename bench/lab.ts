/**
 * The environment of all measurements: a real S3 server, a link to it, unused directories, and the
 * clean-up.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type StartedS3Server, startS3Server } from "../packages/testkit/store/s3-server.ts";
import { CACHE } from "./cache.ts";
import type { ProxyStats } from "./delay-proxy.ts";
import { type Link, roundTripMs } from "./link.ts";
import { type PageCache, remove } from "./page-cache.ts";
import { cpuMs, load, machineBusyMs, type Quietness } from "./proc.ts";
import { Store } from "./store.ts";
import { type Place, Tool } from "./tool.ts";
import { type Summary, workload } from "./workloads.ts";

export interface LabOptions {
	/** Round trip in ms; 0 connects directly to the server. */
	readonly delayMs: number;
	/** The rate of each connection. */
	readonly rateMBs: number;
	/** The scale of every workload; 1 is the named size. */
	readonly scale: number;
	readonly rounds: number;
	/** The states of the page cache to measure. */
	readonly caches: readonly PageCache[];
}

export interface Made extends Summary {
	readonly directory: string;
	readonly profile: "plain" | "openclaw";
	/** What a restore of it brings: what peers store, so that all bring the same. */
	readonly restored: string;
}

const LINK_BYTES = 100_000_000;

/** Bytes to leave free on the disk. */
const SPARE_BYTES = 3e9;

export class Lab {
	readonly options: LabOptions;
	readonly root: string;
	readonly tool: Tool;
	/** The same, with a `syncfs` that does nothing. */
	readonly unsyncedTool: Tool;
	readonly store: Store;
	readonly #server: StartedS3Server;
	readonly #proxy: ChildProcess;
	readonly #proxyEndpoint: string;
	readonly #made = new Map<string, Made>();
	#count = 0;

	private constructor(
		options: LabOptions,
		root: string,
		server: StartedS3Server,
		store: Store,
		proxy: ChildProcess,
		proxyPort: number,
	) {
		this.options = options;
		this.root = root;
		this.#server = server;
		this.#proxy = proxy;
		this.#proxyEndpoint = `http://127.0.0.1:${proxyPort}`;
		this.tool = new Tool(join(CACHE, "tool"));
		this.unsyncedTool = new Tool(join(CACHE, "unsynced-tool"), { syncs: false });
		this.store = store;
	}

	static async open(options: LabOptions): Promise<Lab> {
		const root = mkdtempSync(join(tmpdir(), "openclaw-bench-"));
		const onExit = () => rmSync(root, { recursive: true, force: true });
		process.once("exit", onExit);
		const server = await startS3Server();
		const port = new URL(server.endpoint).port;
		const rate = options.delayMs > 0 ? options.rateMBs : 1e9;
		const proxy = fork(join(import.meta.dirname, "delay-proxy.ts"), [
			"--port",
			port,
			"--delay",
			String(options.delayMs),
			"--rate",
			String(rate),
		]);
		const [{ port: proxyPort }] = (await once(proxy, "message")) as [{ port: number }];
		return new Lab(options, root, server, await Store.open(server), proxy, proxyPort);
	}

	async close(): Promise<void> {
		this.store.close();
		if (this.#proxy.connected) this.#proxy.disconnect();
		await this.#server.stop();
		rmSync(this.root, { recursive: true, force: true });
	}

	/** The endpoint for measurements: through the link, if there is one. */
	get endpoint(): string {
		return this.options.delayMs > 0 ? this.#proxyEndpoint : this.#server.endpoint;
	}

	/** Always through the proxy, because it counts requests. */
	get countedEndpoint(): string {
		return this.#proxyEndpoint;
	}

	/** Directly to the server, for preparations. */
	get directEndpoint(): string {
		return this.#server.endpoint;
	}

	/** Endpoint and credentials as variables of the AWS SDKs. */
	env(endpoint = this.endpoint): Record<string, string> {
		const { accessKeyId, secretAccessKey, region } = this.#server;
		return {
			AWS_ENDPOINT_URL: endpoint,
			AWS_ACCESS_KEY_ID: accessKeyId,
			AWS_SECRET_ACCESS_KEY: secretAccessKey,
			AWS_REGION: region,
			AWS_DEFAULT_REGION: region,
			AWS_EC2_METADATA_DISABLED: "true",
		};
	}

	/** A wait of the named length; shorter if the workloads are. */
	waitMs(fullMs: number, leastMs = fullMs / 3): number {
		return Math.max(leastMs, fullMs * Math.min(1, this.options.scale));
	}

	/** A path that never existed; its parent does. */
	fresh(name: string): string {
		this.#count++;
		const directory = join(this.root, `${this.#count}`);
		mkdirSync(directory);
		return join(directory, name);
	}

	/** Another machine that keeps `workspace` in `namespace`. */
	place(
		workspace: string,
		namespace: string,
		profile: Place["profile"] = "plain",
		endpoint = this.endpoint,
	): Place {
		mkdirSync(join(this.root, "home"), { recursive: true });
		this.#count++;
		const machine = join(this.root, `m${this.#count}`);
		mkdirSync(machine);
		return {
			workspace,
			namespace,
			profile,
			store: `s3://${this.store.bucket}`,
			env: this.env(endpoint),
			machine,
		};
	}

	/** A workload's directory, made and committed once; do not change it. */
	async workload(name: string): Promise<Made> {
		const known = this.#made.get(name);
		if (known !== undefined) return known;
		const { make, profile } = workload(name);
		const directory = this.fresh(name);
		mkdirSync(directory, { mode: 0o700 });
		const made = await make(directory, this.options.scale);
		const place = (at: string) => this.place(at, seed(name), profile, this.directEndpoint);
		await this.tool.run("flush", place(directory));
		// A profile leaves out what is made again. Reading a database leaves an empty "-wal" and a
		// "-shm" beside the original, which peers would take for content.
		const restored = this.fresh(name);
		await this.tool.run("restore", place(restored));
		const all = { ...made, ...weigh(restored), directory, profile, restored };
		this.#made.set(name, all);
		return all;
	}

	/** The namespace of a workload, as one machine committed it. */
	async committed(name: string): Promise<string> {
		await this.workload(name);
		return seed(name);
	}

	/** One object per file below `prefix`, once. */
	async upload(directory: string, prefix: string): Promise<void> {
		const upload = this.#uploads.get(prefix) ?? this.store.putFiles(directory, prefix);
		this.#uploads.set(prefix, upload);
		await upload;
	}
	readonly #uploads = new Map<string, Promise<void>>();

	async traffic(): Promise<ProxyStats> {
		const answer = once(this.#proxy, "message") as Promise<[ProxyStats]>;
		this.#proxy.send("stats");
		const [stats] = await answer;
		return stats;
	}

	/** The measured performance of the link: the round trip of a HEAD, and the MB/s of one GET. */
	async verifyLink(): Promise<Link> {
		const timer = await this.store.timer(this.endpoint);
		try {
			const roundTrip = await roundTripMs(`${this.endpoint}/minio/health/live`);
			await this.store.put("link", Buffer.alloc(LINK_BYTES, 1));
			await timer.getMs("link");
			return { roundTripMs: roundTrip, rateMBs: LINK_BYTES / 1000 / (await timer.getMs("link")) };
		} finally {
			timer.close();
		}
	}

	/** The traffic on the link during `work`; counts only users of `countedEndpoint`. */
	async counted<T>(work: () => Promise<T>): Promise<{
		readonly result: T;
		readonly traffic: Pick<ProxyStats, "requests" | "sentBytes" | "receivedBytes">;
	}> {
		const before = await this.traffic();
		const result = await work();
		const after = await this.traffic();
		const gained = Object.entries(after.requests).map(
			([name, count]) => [name, count - (before.requests[name] ?? 0)] as const,
		);
		const requests = Object.fromEntries(gained.filter(([, count]) => count > 0));
		return {
			result,
			traffic: {
				requests,
				sentBytes: after.sentBytes - before.sentBytes,
				receivedBytes: after.receivedBytes - before.receivedBytes,
			},
		};
	}

	/** Runs `work` and reports the load of other processes meanwhile. */
	async observed<T>(
		work: () => Promise<T>,
	): Promise<{ readonly result: T; readonly quietness: Quietness }> {
		const loadBefore = load();
		const startedMs = performance.now();
		const before = machineBusyMs() - this.#ownMs();
		const result = await work();
		const others = (machineBusyMs() - this.#ownMs() - before) / (performance.now() - startedMs);
		return { result, quietness: { load: loadBefore, others: Math.max(0, others) } };
	}

	#ownMs(): number {
		const self = cpuMs("self");
		return self.own + self.children + cpuMs(this.#server.pid).own + cpuMs(this.#proxy.pid ?? 0).own;
	}

	/**
	 * Deletes the data of earlier rounds if `neededBytes` more would not fit, and waits until the
	 * disk is fast again.
	 */
	async makeRoom(neededBytes: number, disposable: string[]): Promise<void> {
		const { bavail, bsize } = statfsSync(this.root);
		if (bavail * bsize > neededBytes + SPARE_BYTES) return;
		if (disposable.length === 0)
			throw new Error(`too little room on the disk of ${tmpdir()} for this workload`);
		await remove(disposable.splice(0));
	}
}

const seed = (workload: string) => `seed-${workload}`;

/** Files and bytes below a directory, to check that a restore is complete. */
export function weigh(directory: string): { readonly files: number; readonly bytes: number } {
	let files = 0;
	let bytes = 0;
	for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
		if (!entry.isFile()) continue;
		files++;
		bytes += statSync(join(entry.parentPath, entry.name)).size;
	}
	return { files, bytes };
}
