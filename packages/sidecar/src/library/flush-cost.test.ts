/** What a one-shot flush costs in requests, walks over the disk and reads of content. */
import fs, { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { cat, flush, ls, restore, status } from "../index.ts";
import { logKey } from "../log/keys.ts";

const real = { openSync: fs.openSync, readSync: fs.readSync, readdirSync: fs.readdirSync };
/** Files that were read as a whole, and how often the directory `sub` was listed. */
const seen = { read: [] as string[], listed: 0, beforeOpen: (_name: string) => {} };
const names = new Map<number, string>();
beforeAll(() => {
	fs.openSync = (path, ...rest) => {
		const name = /\/ws(?:\/sub)?$/.test(dirname(String(path))) ? basename(String(path)) : "";
		seen.beforeOpen(name);
		const fd = real.openSync(path, ...rest);
		names.set(fd, name);
		return fd;
	};
	fs.readSync = ((fd: number, ...rest: [Buffer, number, number, number]) => {
		const bytes = real.readSync(fd, ...rest);
		// Shorter reads look for a header.
		const name = names.get(fd) ?? "";
		if (bytes >= CONTENT.length && name !== "") seen.read.push(name);
		return bytes;
	}) as typeof fs.readSync;
	fs.readdirSync = ((path: fs.PathLike, ...rest: []) => {
		if (String(path).endsWith("/ws/sub")) seen.listed++;
		return real.readdirSync(path, ...rest);
	}) as typeof fs.readdirSync;
	syncBuiltinESMExports();
});
afterAll(() => {
	Object.assign(fs, real);
	syncBuiltinESMExports();
});

const dirs: string[] = [];
afterEach(() => {
	seen.beforeOpen = () => {};
	for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** Machines with 20 files each, and what each flush of them costs. */
function place() {
	const dir = mkdtempSync(join(tmpdir(), "flush-cost-"));
	dirs.push(dir);
	const store = new AgingStore();
	const requests: string[] = [];
	store.before = (verb, key) => {
		if (verb === "list" || verb === "get") requests.push(`${verb} ${key}`);
	};
	const of = (machine: string) => {
		const workspace = join(dir, machine, "ws");
		const options = {
			store,
			workspace,
			stateDir: join(dir, machine, "state"),
			profile: "plain",
			handoverWaitMs: 0,
		} as const;
		const write = (name: string, content: string) => writeFileSync(join(workspace, name), content);
		const cost = async () => {
			seen.listed = 0;
			seen.read = [];
			requests.length = 0;
			const { seq } = await flush(options);
			return { seq, listed: seen.listed, read: seen.read.toSorted(), requests: [...requests] };
		};
		const paths = async () => (await ls(options)).entries.map(([path]) => path);
		return { workspace, options, write, cost, paths };
	};
	const a = of("a");
	mkdirSync(join(a.workspace, "sub"), { recursive: true });
	for (const name of FILES) a.write(name, CONTENT);
	a.write("sub/below", CONTENT);
	return { a, of };
}

const CONTENT = "content\n".repeat(100);
const FILES = Array.from({ length: 20 }, (_, index) => `f${index}`).sort();
/** The scan, and the count of what is left out. */
const LISTED = 2;
const LIST = "list users/default/log/";
const get = (seq: number) => `get users/default/${logKey(seq)}`;

test("a one-shot flush reads the log once, scans the disk once and reads each file once", async () => {
	const { a } = place();
	const checks = (from: number) => [get(from), get(from + 1)];
	expect(await a.cost()).toEqual({
		seq: 2,
		// The capture of a new directory lists it.
		listed: LISTED + 1,
		read: ["below", ...FILES],
		requests: [LIST, ...checks(1)],
	});
	a.write("f0", `${CONTENT}more`);
	a.write("new", CONTENT);
	rmSync(join(a.workspace, "f1"));
	expect(await a.cost()).toEqual({
		seq: 4,
		listed: LISTED,
		read: ["below", ...FILES.filter((name) => name !== "f1"), "new"],
		// The last two check that the slots are still its own.
		requests: [LIST, get(1), get(2), ...checks(3)],
	});
	expect(await a.paths()).toEqual([
		...FILES.filter((name) => name !== "f1"),
		"new",
		"sub",
		"sub/below",
	]);
	expect(await a.cost()).toEqual({
		seq: 4,
		listed: LISTED,
		read: ["below", ...FILES.filter((name) => name !== "f1"), "new"],
		requests: [LIST, get(1), get(2), get(3), get(4)],
	});
});

test("a one-shot flush takes what changes while it compares, and the next one what changes after its scan", async () => {
	const { a } = place();
	await a.cost();
	a.write("f0", `${CONTENT}more`);
	seen.beforeOpen = (path) => {
		if (path === "f5") a.write("f5", CONTENT.toUpperCase());
		a.write("late", "late");
	};
	await a.cost();
	seen.beforeOpen = () => {};
	const bytesOf = async (path: string) => {
		const to = new PassThrough();
		await cat({ ...a.options, path, to });
		return String(to.read());
	};
	expect([await bytesOf("f0"), await bytesOf("f5")]).toEqual([
		`${CONTENT}more`,
		CONTENT.toUpperCase(),
	]);
	await a.cost();
	expect(await bytesOf("late")).toBe("late");
});

// @id flush-scans-again
test("a one-shot flush scans again after it brought the log's changes to the disk", async () => {
	const { a, of } = place();
	await a.cost();
	const b = of("b");
	await restore(b.options);
	b.write("b", "b");
	await b.cost();
	a.write("a", "a");
	expect(await a.cost()).toMatchObject({ listed: LISTED + 1 });
	expect(await a.paths()).toEqual(["a", "b", ...FILES, "sub", "sub/below"]);
	expect(await status(a.options)).toMatchObject({ isDurable: true, behind: 0 });
});
