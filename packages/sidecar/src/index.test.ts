import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "./config/load.ts";
import {
	cat,
	ERRORS,
	flush,
	history,
	ls,
	openStore,
	restore,
	run,
	SidecarError,
	status,
} from "./index.ts";
import { settingsOf } from "./library/options.ts";
import { recordingLogger } from "./telemetry/logger.ts";

let dir: string;
beforeAll(() => {
	dir = mkdtempSync(join(tmpdir(), "sidecar-library-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A separate machine, with the shared store. */
const options = (machine: string) => {
	const workspace = join(dir, machine, "ws");
	mkdirSync(workspace, { recursive: true });
	return {
		workspace,
		stateDir: join(dir, machine, "state"),
		store: pathToFileURL(join(dir, "store")).href,
		namespace: "anna",
		profile: "plain",
		handoverWaitMs: 0,
	} as const;
};

const text = async (path: string, at?: string) => {
	const parts: Buffer[] = [];
	const to = new Writable({
		write: (chunk: Buffer, _encoding, done) => {
			parts.push(Buffer.from(chunk));
			done();
		},
	});
	await cat({ ...options("a"), path, to, ...(at !== undefined && { at }) });
	return Buffer.concat(parts).toString();
};

test("the verbs, one after the other", async () => {
	const a = options("a");
	writeFileSync(join(a.workspace, "f"), "one");
	expect(await status(a)).toMatchObject({
		isDurable: false,
		log: undefined,
		notDurable: [{ path: "f", kind: "new" }],
	});
	expect(await flush(a)).toMatchObject({ kind: "committed", seq: 2, exitStatus: 0 });
	expect(await status(a)).toMatchObject({
		isDurable: true,
		log: { seq: 2, entries: 2, bytes: 3, isClosed: true },
		hasBase: true,
		behind: 0,
	});

	const stop = new AbortController();
	const logger = recordingLogger();
	const running = run({ ...a, quietMs: 0, logger, signal: stop.signal });
	while (!logger.events.some(({ event }) => event === "watch.started"))
		await new Promise(setImmediate);
	await expect(restore(a)).rejects.toMatchObject({ code: "WORKSPACE_BUSY" });
	writeFileSync(join(a.workspace, "f"), "two");
	stop.abort();
	expect(await running).toMatchObject({ kind: "ended", isDurable: true, exitStatus: 0 });

	const b = options("b");
	expect(await restore({ ...b, at: 2 })).toMatchObject({
		seq: 2,
		files: 1,
		bytes: 3,
		written: 1,
		moved: [],
	});
	expect([await text("f"), await text("f", "2")]).toEqual(["two", "one"]);
	const seqs: number[] = [];
	for await (const { seq } of history({ ...a, limit: 2 })) seqs.push(seq);
	expect(seqs).toHaveLength(2);
	expect((seqs[0] as number) - (seqs[1] as number)).toBe(1);
	expect((await ls({ ...a, at: 2, path: "f" })).entries.map(([path]) => path)).toEqual(["f"]);
});

test("a signal ends a verb, and a run that has not started", async () => {
	const signal = AbortSignal.abort();
	expect(await run({ ...options("c"), signal })).toEqual({ kind: "not-started", exitStatus: 0 });
	await expect(ls({ ...options("c"), signal })).rejects.toThrow();
});

describe("options", () => {
	test("have the command line's defaults", () => {
		const input = {
			flags: {},
			env: {},
			homeDir: homedir(),
			workingDir: process.cwd(),
			readFile: () => undefined,
		};
		const { XDG_DATA_HOME, XDG_STATE_HOME } = process.env;
		expect(settingsOf({})).toEqual(
			loadConfig({ ...input, env: { XDG_DATA_HOME, XDG_STATE_HOME } }).config,
		);
	});

	test("are checked like the command line's", async () => {
		await expect(restore({ ...options("a"), namespace: "../b" })).rejects.toMatchObject({
			code: "NAMESPACE_INVALID",
			value: "../b",
		});
		await expect(run({ ...options("a"), drainTimeoutMs: -1 })).rejects.toMatchObject({
			code: "USAGE",
			value: "-1",
			message: expect.stringContaining("option drainTimeoutMs accepts a duration from 0ms to 60m"),
		});
		await expect(
			run({ ...options("a"), roots: new Map([["notes", "relative"]]) }),
		).rejects.toMatchObject({ code: "USAGE" });
		await expect(
			status({ ...options("a"), stateDir: options("a").workspace }),
		).rejects.toMatchObject({ code: "STATE_DIR_UNUSABLE" });
		await expect(ls({ ...options("a"), at: "soon" })).rejects.toMatchObject({ code: "USAGE" });
	});

	test("a store that is passed in stays open", async () => {
		const store = await openStore(options("a").store);
		let closed = 0;
		const handed = Object.assign(Object.create(store) as typeof store, {
			url: store.url,
			list: store.list.bind(store),
			get: store.get.bind(store),
			close: async () => void closed++,
		});
		await ls({ store: handed, namespace: "nobody" });
		for await (const _ of history({ store: handed, namespace: "nobody" }));
		expect(closed).toBe(0);
	});
});

test("errors are SidecarErrors of the table", async () => {
	const error = await ls({ ...options("a"), path: "nope" }).catch((thrown: unknown) => thrown);
	expect(error).toBeInstanceOf(SidecarError);
	expect(ERRORS[(error as SidecarError).code].exitStatus).toBe(2);
});
