import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as nodeFs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, type TestContext } from "vitest";
import { describeObjectStore, describeSweepableStore } from "../../../testkit/store/conformance.ts";
import { DirectoryStore, type FileSystem, putErrorCode } from "./directory.ts";
import type { ObjectStore } from "./port.ts";

const {
	chmod,
	link,
	mkdir,
	mkdtemp,
	readdir,
	readFile,
	rename,
	rm,
	stat,
	symlink,
	utimes,
	writeFile,
} = nodeFs;

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

async function temporaryDirectory(): Promise<string> {
	const path = await mkdtemp(join(tmpdir(), "store-"));
	undo.push(() => rm(path, { recursive: true, force: true }));
	return path;
}

const put = (store: ObjectStore, key: string, body = key) =>
	store.putIfAbsent(key, Buffer.from(body));

async function keysOf(store: ObjectStore, prefix = ""): Promise<string[]> {
	const keys: string[] = [];
	for await (const page of store.list(prefix)) keys.push(...page.objects.map(({ key }) => key));
	return keys;
}

const temps = (root: string) => readdir(join(root, ".tmp"));

function failing(code: string): () => Promise<never> {
	return async () => {
		throw Object.assign(new Error(`${code}: injected`), { code });
	};
}

/** The real file system, except for the `open`s that `matches` selects. */
function withOpen(
	matches: (path: unknown, flags: unknown) => boolean,
	open: FileSystem["open"],
): FileSystem {
	return {
		...nodeFs,
		open: async (...args) => await (matches(args[0], args[1]) ? open : nodeFs.open)(...args),
	};
}

for (const describeStore of [describeObjectStore, describeSweepableStore]) {
	describeStore("DirectoryStore", async () => {
		const base = await mkdtemp(join(tmpdir(), "store-"));
		return {
			store: new DirectoryStore(join(base, "not", "yet", "there")),
			cleanup: () => rm(base, { recursive: true }),
		};
	});
}

describe("a process that is killed", () => {
	/** Puts objects named by their SHA-256 endlessly, and prints each key once it is acknowledged. */
	const WRITER = `
		import { createHash } from "node:crypto";
		import { DirectoryStore } from ${JSON.stringify(new URL("directory.ts", import.meta.url).href)};
		const store = new DirectoryStore(process.argv[1]);
		for (let n = 0; ; n++) {
			const body = Buffer.alloc(2_000_000, process.pid + "/" + n + ";");
			const key = "packs/" + createHash("sha256").update(body).digest("hex");
			const { kind } = await store.putIfAbsent(key, body);
			process.stdout.write(kind + " " + key + "\\n");
		}`;

	it("leaves every acknowledged object, and no partial object", async () => {
		const root = join(await temporaryDirectory(), "store");
		const acknowledged = new Set<string>();
		for (const lines of [1, 4, 9]) {
			const writer = spawn(process.execPath, ["--input-type=module", "-e", WRITER, root], {
				stdio: ["ignore", "pipe", "inherit"],
			});
			const exited = once(writer, "exit");
			const printed = createInterface({ input: writer.stdout });
			let seen = 0;
			printed.on("line", (line) => {
				const [kind, key] = line.split(" ");
				expect(kind).toBe("created");
				acknowledged.add(key as string);
				if (++seen === lines) writer.kill("SIGKILL");
			});
			const [[, signal]] = await Promise.all([exited, once(printed, "close")]);
			expect(signal).toBe("SIGKILL");
		}
		const store = new DirectoryStore(root);
		const keys = await keysOf(store, "packs/");
		expect(keys).toEqual(expect.arrayContaining([...acknowledged]));
		for (const key of keys)
			expect(
				`packs/${createHash("sha256")
					.update((await store.get(key)).body)
					.digest("hex")}`,
			).toBe(key);
		expect(await put(store, "packs/next")).toEqual({ kind: "created" });
	});

	it("leaves files below .tmp/ that are never listed, and are removed once they are an hour old", async () => {
		const root = await temporaryDirectory();
		const [old, young] = [join(root, ".tmp", "1-old"), join(root, ".tmp", "2-young")];
		await mkdir(join(root, ".tmp"));
		for (const path of [old, young]) await writeFile(path, "half");
		const age = async (path: string, minutes: number) =>
			utimes(path, Date.now() / 1000 - minutes * 60, Date.now() / 1000 - minutes * 60);
		await age(old, 61);
		await age(young, 59);
		const store = new DirectoryStore(root);
		expect(await keysOf(store)).toEqual([]);
		expect(await temps(root)).toHaveLength(2);
		await put(store, "log/1");
		expect(await temps(root)).toEqual(["2-young"]);
		expect(await keysOf(store)).toEqual(["log/1"]);
	});

	it("may have linked the object already: the stray second name does no harm", async () => {
		const root = await temporaryDirectory();
		const store = new DirectoryStore(root);
		await put(store, "log/1", "body");
		await link(join(root, "log/1"), join(root, ".tmp", "1-killed-after-link"));
		expect(await put(store, "log/1", "other")).toEqual({ kind: "exists" });
		expect((await store.get("log/1")).body.toString()).toBe("body");
	});
});

describe("durability", () => {
	/** What reaches the disk, in order; paths relative to `base`. */
	function recording(base: string): { fs: FileSystem; log: string[] } {
		const log: string[] = [];
		const shown = (path: unknown) =>
			(relative(base, String(path)) || ".").replace(/\.tmp\/.+/, ".tmp/*");
		const fs: FileSystem = {
			...nodeFs,
			open: async (path, flags, mode) => {
				const handle = await nodeFs.open(path, flags, mode);
				const sync = handle.sync.bind(handle);
				handle.sync = async () => {
					await sync();
					log.push(`sync ${shown(path)}`);
				};
				return handle;
			},
			link: async (from, to) => {
				log.push(`link ${shown(to)}`);
				await nodeFs.link(from, to);
			},
			unlink: async (path) => {
				log.push(`unlink ${shown(path)}`);
				await nodeFs.unlink(path);
			},
		};
		return { fs, log };
	}

	it("syncs the body before it has a name, and every entry in its path before the PUT is acknowledged", async () => {
		const base = await temporaryDirectory();
		const { fs, log } = recording(base);
		await put(new DirectoryStore(join(base, "a/store"), fs), "users/u/log/1");
		expect(log).toEqual([
			"sync a",
			"sync .",
			"sync a/store",
			"sync a/store/users",
			"sync a/store/users/u",
			"sync a/store/.tmp/*",
			"link a/store/users/u/log/1",
			"sync a/store/users/u/log",
			"unlink a/store/.tmp/*",
		]);
	});

	it("syncs the path of an existing object: its writer may have been killed before its own sync", async () => {
		const base = await temporaryDirectory();
		await put(new DirectoryStore(base), "log/1");
		const { fs, log } = recording(base);
		expect(await put(new DirectoryStore(base, fs), "log/1")).toEqual({ kind: "exists" });
		expect(log.slice(1)).toEqual([
			"sync .",
			"sync .tmp/*",
			"link log/1",
			"sync log",
			"unlink .tmp/*",
		]);
	});

	it("syncs the path only once per process", async () => {
		const base = await temporaryDirectory();
		const { fs, log } = recording(base);
		const store = new DirectoryStore(base, fs);
		await Promise.all([put(store, "log/1"), put(store, "log/2")]);
		expect(log.filter((line) => line === "sync .")).toHaveLength(1);
		log.length = 0;
		await put(store, "log/3");
		expect(log).toEqual(["sync .tmp/*", "link log/3", "sync log", "unlink .tmp/*"]);
	});

	// @id directory-store-unsynced
	it("does not acknowledge what it could not sync, though the object exists", async () => {
		const root = await temporaryDirectory();
		let isLinked = false;
		const store = new DirectoryStore(root, {
			...nodeFs,
			link: async (from, to) => {
				await nodeFs.link(from, to);
				isLinked = true;
			},
			open: async (path, flags, mode) => {
				const handle = await nodeFs.open(path, flags, mode);
				if (isLinked) handle.sync = failing("EIO");
				return handle;
			},
		});
		expect(await put(store, "log/1")).toEqual({
			kind: "unknown",
			cause: expect.objectContaining({ code: "EIO" }),
		});
		expect(await keysOf(store)).toEqual(["log/1"]);
	});

	it("makes objects readable by their owner only", async () => {
		const root = join(await temporaryDirectory(), "store");
		await put(new DirectoryStore(root), "log/1");
		const modes = await Promise.all(
			[root, join(root, "log"), join(root, "log/1")].map(
				async (path) => (await stat(path)).mode & 0o777,
			),
		);
		expect(modes).toEqual([0o700, 0o700, 0o600]);
	});
});

describe("a file system that refuses", () => {
	/** A separate file system if this user is root; otherwise the test reports why it did not run. */
	async function mounted(context: TestContext, options: string): Promise<string> {
		const path = await temporaryDirectory();
		try {
			await promisify(execFile)("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
		} catch (error) {
			context.skip(`needs the right to mount a tmpfs: ${(error as Error).message.split("\n")[1]}`);
		}
		undo.push(() => promisify(execFile)("umount", [path]));
		return path;
	}

	/** Permissions bind everyone except root. */
	async function asNobody<T>(action: () => Promise<T>): Promise<T> {
		if (process.geteuid?.() !== 0) return await action();
		process.seteuid?.(65534);
		try {
			return await action();
		} finally {
			process.seteuid?.(0);
		}
	}

	it("has no space: NOT_DURABLE, nothing is created or left behind, and reads continue", async (context) => {
		const root = await mounted(context, "size=1m");
		const store = new DirectoryStore(root);
		await put(store, "log/1");
		const tooMuch = store.putIfAbsent("log/2", Buffer.alloc(2_000_000));
		await expect(tooMuch).rejects.toMatchObject({
			code: "NOT_DURABLE",
			message: expect.stringContaining("ENOSPC"),
		});
		expect(await keysOf(store)).toEqual(["log/1"]);
		expect(await temps(root)).toEqual([]);
		expect(await put(store, "log/2", "small")).toEqual({ kind: "created" });
	});

	it("is read-only: STORE_ACCESS_DENIED, and reads continue", async (context) => {
		const root = await mounted(context, "size=1m");
		await put(new DirectoryStore(root), "log/1");
		await promisify(execFile)("mount", ["-o", "remount,ro", root]);
		const store = new DirectoryStore(root);
		await expect(put(store, "log/2")).rejects.toMatchObject({
			code: "STORE_ACCESS_DENIED",
			message: expect.stringContaining("EROFS"),
		});
		expect(await keysOf(store)).toEqual(["log/1"]);
		expect((await store.get("log/1")).body.toString()).toBe("log/1");
	});

	it("belongs to another user: STORE_ACCESS_DENIED for every verb", async () => {
		const root = join(await temporaryDirectory(), "store");
		const store = new DirectoryStore(root);
		await put(store, "log/1");
		await chmod(root, 0);
		undo.push(() => chmod(root, 0o700));
		const denied = { code: "STORE_ACCESS_DENIED", message: expect.stringContaining("EACCES") };
		await asNobody(async () => {
			await expect(put(new DirectoryStore(root), "log/2")).rejects.toMatchObject(denied);
			await expect(put(store, "log/2")).rejects.toMatchObject(denied);
			await expect(store.get("log/1")).rejects.toMatchObject(denied);
			await expect(keysOf(store, "log/")).rejects.toMatchObject(denied);
		});
		await chmod(root, 0o700);
		expect(await keysOf(store)).toEqual(["log/1"]);
	});

	it.each([
		["link", "EPERM", "STORE_UNSUPPORTED"],
		["link", "EOPNOTSUPP", "STORE_UNSUPPORTED"],
		["link", "EXDEV", "STORE_UNSUPPORTED"],
		["link", "ENOSPC", "NOT_DURABLE"],
		["link", "EACCES", "STORE_ACCESS_DENIED"],
		["open", "EDQUOT", "NOT_DURABLE"],
		["open", "EPERM", "STORE_ACCESS_DENIED"],
		["mkdir", "EROFS", "STORE_ACCESS_DENIED"],
		["mkdir", "ENOSPC", "NOT_DURABLE"],
	] as const)("answers %s with %s: %s, and nothing is left", async (call, errno, code) => {
		const root = await temporaryDirectory();
		await put(new DirectoryStore(root), "log/1");
		const broken = new DirectoryStore(root, { ...nodeFs, [call]: failing(errno) });
		await expect(put(broken, "log/2")).rejects.toMatchObject({ code, cause: { code: errno } });
		expect(await keysOf(new DirectoryStore(root))).toEqual(["log/1"]);
		expect(await temps(root)).toEqual([]);
	});

	it.each(["EIO", "EMFILE", "ENOMEM"])(
		"answers %s: unknown, since a retry may succeed",
		async (errno) => {
			const root = await temporaryDirectory();
			let failures = 1;
			const store = new DirectoryStore(root, {
				...nodeFs,
				open: async (...args) =>
					args[1] === "wx" && failures-- > 0 ? await failing(errno)() : await nodeFs.open(...args),
			});
			expect(await put(store, "log/1")).toEqual({
				kind: "unknown",
				cause: expect.objectContaining({ code: errno }),
			});
			expect(await keysOf(store)).toEqual([]);
			expect(await put(store, "log/1")).toEqual({ kind: "created" });
		},
	);

	it.each([
		["open", "get"],
		["readdir", "list"],
		["stat", "list"],
	] as const)(
		"fails to %s during a %s: STORE_UNREACHABLE, never an empty answer",
		async (call, verb) => {
			const root = await temporaryDirectory();
			await put(new DirectoryStore(root), "log/1");
			const store = new DirectoryStore(root, { ...nodeFs, [call]: failing("EIO") });
			const read = verb === "get" ? store.get("log/1") : keysOf(store, "log/");
			await expect(read).rejects.toMatchObject({
				code: "STORE_UNREACHABLE",
				message: expect.stringContaining("EIO"),
			});
		},
	);

	it("is aborted by the caller while it writes: unknown, and nothing is there", async () => {
		const root = await temporaryDirectory();
		const controller = new AbortController();
		const store = new DirectoryStore(root, {
			...nodeFs,
			open: async (...args) => {
				if (args[1] === "wx") controller.abort("enough");
				return await nodeFs.open(...args);
			},
		});
		const outcome = await store.putIfAbsent("log/1", Buffer.from("x"), {
			signal: controller.signal,
		});
		expect(outcome).toEqual({ kind: "unknown", cause: "enough" });
		expect(await keysOf(store)).toEqual([]);
		expect(await temps(root)).toEqual([]);
	});

	it("works if the directory above the store cannot be read, because nothing else can be synced", async () => {
		const base = await temporaryDirectory();
		const unreadable = (errno: string) =>
			new DirectoryStore(
				join(base, errno),
				withOpen((path) => path === base, failing(errno)),
			);
		expect(await put(unreadable("EACCES"), "log/1")).toEqual({ kind: "created" });
		expect(await put(unreadable("EIO"), "log/1")).toMatchObject({ kind: "unknown" });
	});

	it.each(["EINVAL", "ENOTSUP"])(
		"cannot sync directories (%s): works, since nothing more can be synced",
		async (errno) => {
			const root = await temporaryDirectory();
			const sync = async (...args: Parameters<typeof nodeFs.open>) =>
				Object.assign(await nodeFs.open(...args), { sync: failing(errno) });
			expect(
				await put(
					new DirectoryStore(
						root,
						withOpen((_, flags) => flags === "r", sync),
					),
					"log/1",
				),
			).toEqual({ kind: "created" });
			expect(
				await put(
					new DirectoryStore(
						root,
						withOpen((_, flags) => flags === "wx", sync),
					),
					"log/2",
				),
			).toMatchObject({ kind: "unknown" });
		},
	);

	it("reports after a failed sync only that the object may exist", () => {
		expect(putErrorCode("ENOSPC", "sync")).toBeUndefined();
	});
});

describe("an unusual store directory", () => {
	it.each(["store", "store/below"])(
		"is a file (%s): STORE_URL_INVALID for every verb, never an empty store",
		async (path) => {
			const base = await temporaryDirectory();
			await writeFile(join(base, "store"), "");
			const store = new DirectoryStore(join(base, path));
			const invalid = { code: "STORE_URL_INVALID", value: `file://${base}/${path}` };
			await expect(keysOf(store)).rejects.toMatchObject(invalid);
			await expect(keysOf(store, "log/")).rejects.toMatchObject(invalid);
			await expect(store.get("log/1")).rejects.toMatchObject(invalid);
			await expect(put(store, "log/1")).rejects.toMatchObject(invalid);
		},
	);

	it("works if it is a symbolic link to a directory", async () => {
		const base = await temporaryDirectory();
		await mkdir(join(base, "real"));
		await symlink("real", join(base, "store"));
		const store = new DirectoryStore(join(base, "store"));
		expect(await put(store, "log/1")).toEqual({ kind: "created" });
		expect(await keysOf(store)).toEqual(["log/1"]);
		expect(await readFile(join(base, "real/log/1"), "utf8")).toBe("log/1");
	});

	it("lists objects below a symbolic link to which an operator moved a part of it", async () => {
		const base = await temporaryDirectory();
		const store = new DirectoryStore(join(base, "store"));
		await put(store, "users/u/log/1");
		await rename(join(base, "store/users"), join(base, "elsewhere"));
		await symlink(join(base, "elsewhere"), join(base, "store/users"));
		await symlink("nowhere", join(base, "store/dangling"));
		expect(await keysOf(store)).toEqual(["users/u/log/1"]);
	});

	it("is reported as STORE_BUCKET_MISSING if it is removed while in use, and not made again", async () => {
		const base = await temporaryDirectory();
		const store = new DirectoryStore(join(base, "store"));
		await put(store, "log/1");
		await rm(join(base, "store"), { recursive: true });
		await expect(put(store, "log/2")).rejects.toMatchObject({ code: "STORE_BUCKET_MISSING" });
		expect(await readdir(base)).toEqual([]);
	});

	it.each(["log", ".tmp"])("loses %s while in use: it is made again", async (directory) => {
		const root = await temporaryDirectory();
		const store = new DirectoryStore(root);
		await put(store, "log/1");
		await rm(join(root, directory), { recursive: true });
		expect(await put(store, "log/2")).toEqual({ kind: "created" });
		expect(await keysOf(store)).toContain("log/2");
	});

	it("does not list entries that are not objects", async () => {
		const root = await temporaryDirectory();
		const store = new DirectoryStore(root);
		await put(store, "log/1");
		await writeFile(join(root, "log/a file of mine.txt"), "");
		await mkdir(join(root, "log/empty"));
		await promisify(execFile)("mkfifo", [join(root, "log/fifo")]);
		expect(await keysOf(store)).toEqual(["log/1"]);
		await expect(store.get("log")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
	});

	it("reports that it cannot hold a key below another object's key", async () => {
		const store = new DirectoryStore(await temporaryDirectory());
		await put(store, "log/1");
		await expect(put(store, "log/1/2")).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
		await expect(put(store, "log/1/2/3")).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
		await expect(store.get("log/1/2")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
	});
});

it("leaves out objects that are deleted while it lists", async () => {
	const root = await temporaryDirectory();
	await Promise.all(["log/1", "log/2"].map((key) => put(new DirectoryStore(root), key)));
	const store = new DirectoryStore(root, {
		...nodeFs,
		stat: (async (path: string) => {
			if (path.endsWith("/1")) await rm(path);
			return await nodeFs.stat(path);
		}) as unknown as FileSystem["stat"],
	});
	expect(await keysOf(store, "log/")).toEqual(["log/2"]);
});

it("shows a URL that leads back to it", async () => {
	const root = join(await temporaryDirectory(), "with space #1");
	expect(fileURLToPath(new DirectoryStore(root).url)).toBe(root);
});
