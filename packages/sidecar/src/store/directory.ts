import { randomUUID } from "node:crypto";
import type { Dirent, Stats } from "node:fs";
import * as nodeFs from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type ErrorCode, SidecarError } from "../errors.ts";
import { throwIfAborted } from "./abort.ts";
import { bufferFor } from "./buffer-for.ts";
import { assertKey, assertPrefix, assertRange, isKeySegment, TEMP_DIRECTORY } from "./keys.ts";
import type { PlainPlace } from "./plain.ts";
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	ObjectInfo,
	PutOutcome,
	RequestCounts,
} from "./port.ts";
import type { SweepableStore } from "./sweepable.ts";

/**
 * A store in a local directory: one file per object, its path is its key.
 *
 * `putIfAbsent` writes a private file below `.tmp/`, syncs it, and names it with link(2), which
 * creates or refuses in one step and works across processes. Then it syncs the directory, and on
 * first use every directory above. So `created` (and `exists`) survive a power cut. A process
 * killed at any point leaves the whole object or none, and at most a stray file below `.tmp/`.
 *
 * Not guaranteed: anything on a file system that does not honour fsync, or whose link(2) is not
 * atomic between machines.
 */

/** The file system calls that the store needs; a test passes one that fails. */
export type FileSystem = Pick<
	typeof nodeFs,
	"link" | "mkdir" | "open" | "readdir" | "stat" | "unlink"
>;

/** The same as S3, so that callers get the same pages everywhere. */
const PAGE_SIZE = 1000;

/** No PUT takes this long: a file this old below `.tmp/` belongs to a process that was killed. */
const STALE_TEMP_MS = 60 * 60 * 1000;

/** One user's files: private on a shared machine. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

export class DirectoryStore implements SweepableStore {
	readonly url: string;
	readonly requests: RequestCounts = { list: 0, get: 0, put: 0 };
	readonly #root: string;
	readonly #fs: FileSystem;
	/** Set by the first PUT. */
	#prepared: Promise<void> | undefined;
	/** Directories, named like keys, that exist and are known to survive a power cut. */
	readonly #durable = new Map<string, Promise<void>>();

	/**
	 * @param root absolute path; it need not exist: a missing root lists as empty, and the first PUT
	 * makes it.
	 */
	constructor(root: string, fs: FileSystem = nodeFs) {
		this.#root = resolve(root);
		this.#fs = fs;
		this.url = pathToFileURL(this.#root).href;
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		assertPrefix(prefix);
		const limit = options.limit ?? Number.POSITIVE_INFINITY;
		if (limit <= 0) return;
		let keys: string[] = [];
		let taken = 0;
		for await (const key of this.#keys(
			prefix.slice(0, prefix.lastIndexOf("/") + 1),
			prefix,
			options.startAfter ?? "",
		)) {
			keys.push(key);
			taken++;
			if (keys.length === PAGE_SIZE || taken === limit) {
				yield await this.#page(keys, prefix, options.signal);
				keys = [];
			}
			if (taken === limit) return;
		}
		if (keys.length > 0 || taken === 0) yield await this.#page(keys, prefix, options.signal);
	}

	async get(key: string, options: GetOptions = {}): Promise<GetResult> {
		assertKey(key);
		if (options.range !== undefined) assertRange(options.range);
		throwIfAborted(key, options.signal);
		this.requests.get++;
		try {
			const file = await this.#fs.open(this.#path(key), "r");
			try {
				const stat = await file.stat();
				if (!stat.isFile()) throw this.#notFound(key);
				const offset = Math.min(options.range?.offset ?? 0, stat.size);
				const length = Math.min(options.range?.length ?? stat.size, stat.size - offset);
				const body = bufferFor(length, options.into);
				for (let filled = 0; filled < body.length; ) {
					throwIfAborted(key, options.signal);
					const { bytesRead } = await file.read(
						body,
						filled,
						body.length - filled,
						offset + filled,
					);
					if (bytesRead === 0)
						throw new SidecarError("STORE_UNREACHABLE", {
							value: this.#path(key),
							reason: "shrank while it was read",
						});
					filled += bytesRead;
				}
				return { body, totalBytes: stat.size, lastModifiedMs: Math.trunc(stat.mtimeMs) };
			} finally {
				await file.close();
			}
		} catch (error) {
			if (await this.#isAbsent(error)) throw this.#notFound(key);
			throw this.#readError(error, this.#path(key));
		}
	}

	async putIfAbsent(
		key: string,
		body: Buffer,
		options: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<PutOutcome> {
		assertKey(key);
		if (options.signal?.aborted) return { kind: "unknown", cause: options.signal.reason };
		this.requests.put++;
		try {
			return await this.#putOnce(key, body, options.signal);
		} catch (error) {
			if (errnoOf(error) !== "ENOENT") throw error;
		}
		// Someone removed a directory that this process had made, or its file below `.tmp/`. Try once
		// more without cached knowledge.
		this.#durable.clear();
		try {
			await this.#makeDirectory(join(this.#root, TEMP_DIRECTORY));
			return await this.#putOnce(key, body, options.signal);
		} catch (error) {
			if (errnoOf(error) !== "ENOENT") throw error;
			// Making it again would start a second log next to the one that was unmounted or moved away.
			throw new SidecarError("STORE_BUCKET_MISSING", {
				value: this.url,
				reason: "removed while in use",
				cause: error,
			});
		}
	}

	async delete(
		key: string,
		options: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<void> {
		assertKey(key);
		throwIfAborted(key, options.signal);
		const path = this.#path(key);
		try {
			await this.#fs.unlink(path);
			await this.#syncDirectory(dirname(path));
		} catch (error) {
			// A directory is not an object, whatever keys are below it. POSIX says EPERM, Linux EISDIR.
			const isDirectory = async () => (await this.#statOrAbsent(key))?.isDirectory() === true;
			if (
				(await this.#isAbsent(error)) ||
				(["EISDIR", "EPERM"].includes(errnoOf(error)) && (await isDirectory()))
			)
				return;
			throw this.#readError(error, path);
		}
	}

	plain(prefix: string): PlainPlace {
		return { kind: "directory", path: join(this.#root, prefix, ".") };
	}

	async close(): Promise<void> {}

	#path(key: string): string {
		return join(this.#root, key);
	}

	/** Handles every error except ENOENT, which the caller may repair. */
	async #putOnce(key: string, body: Buffer, signal: AbortSignal | undefined): Promise<PutOutcome> {
		const path = this.#path(key);
		const temp = join(this.#root, TEMP_DIRECTORY, `${process.pid}-${randomUUID()}`);
		let step: PutStep = "make";
		try {
			await this.#makeDurable(dirname(key));
			step = "write";
			await this.#writeTemp(temp, body);
			if (signal?.aborted) return { kind: "unknown", cause: signal.reason };
			step = "link";
			const created = await this.#link(temp, path);
			step = "sync";
			// Also after `exists`: the process that linked it may have been killed before its sync.
			await this.#syncDirectory(dirname(path));
			return { kind: created ? "created" : "exists" };
		} catch (error) {
			const errno = errnoOf(error);
			if (errno === "ENOENT") throw error;
			if (step === "make" && (errno === "ENOTDIR" || errno === "EEXIST"))
				await this.#assertRootIsDirectory();
			const code = putErrorCode(errno, step);
			if (code !== undefined)
				throw new SidecarError(code, { value: path, reason: errno, cause: error });
			return { kind: "unknown", cause: error };
		} finally {
			// If it cannot be removed now, it is removed later; the outcome does not depend on it.
			if (step !== "make") await this.#fs.unlink(temp).catch(() => {});
		}
	}

	async #link(temp: string, path: string): Promise<boolean> {
		try {
			await this.#fs.link(temp, path);
			return true;
		} catch (error) {
			if (errnoOf(error) === "EEXIST") return false;
			throw error;
		}
	}

	async #writeTemp(path: string, body: Buffer): Promise<void> {
		const file = await this.#fs.open(path, "wx", FILE_MODE);
		try {
			await file.writeFile(body);
			await file.sync();
		} finally {
			await file.close();
		}
	}

	/**
	 * Makes `directory` (named like a key; `.` is the root) and all parents, and makes their entries
	 * survive a power cut.
	 */
	#makeDurable(directory: string): Promise<void> {
		if (directory === ".") return this.#prepare();
		let durable = this.#durable.get(directory);
		if (durable === undefined) {
			durable = this.#makeDurableOnce(directory).catch((error: unknown) => {
				this.#durable.delete(directory);
				throw error;
			});
			this.#durable.set(directory, durable);
		}
		return durable;
	}

	async #makeDurableOnce(directory: string): Promise<void> {
		await this.#makeDurable(dirname(directory));
		await this.#makeDirectory(this.#path(directory));
		// Also if it existed: the process that made it may have been killed before its sync.
		await this.#syncDirectory(dirname(this.#path(directory)));
	}

	/**
	 * Runs once: makes the root, its missing parents and `.tmp/`, and removes the leftovers of killed
	 * processes.
	 */
	#prepare(): Promise<void> {
		this.#prepared ??= this.#prepareOnce().catch((error: unknown) => {
			this.#prepared = undefined;
			throw error;
		});
		return this.#prepared;
	}

	async #prepareOnce(): Promise<void> {
		const highest = dirname(
			(await this.#fs.mkdir(this.#root, { recursive: true, mode: DIRECTORY_MODE })) ?? this.#root,
		);
		for (let above = dirname(this.#root); ; above = dirname(above)) {
			await this.#syncDirectory(above).catch((error: unknown) => {
				// Reading may be forbidden above the store, and a sync needs it.
				if (!ACCESS_ERRNOS.includes(errnoOf(error))) throw error;
			});
			if (above === highest) break;
		}
		await this.#makeDirectory(join(this.#root, TEMP_DIRECTORY));
		await this.#sweep();
	}

	async #sweep(): Promise<void> {
		const directory = join(this.#root, TEMP_DIRECTORY);
		const before = Date.now() - STALE_TEMP_MS;
		for (const name of await this.#fs.readdir(directory)) {
			const path = join(directory, name);
			try {
				if ((await this.#fs.stat(path)).mtimeMs < before) await this.#fs.unlink(path);
			} catch {
				// Another process was faster, or the file is not ours to remove: neither prevents a PUT.
			}
		}
	}

	/** `mkdir` that succeeds for an existing directory, but not for any other file. */
	async #makeDirectory(path: string): Promise<void> {
		try {
			await this.#fs.mkdir(path, { mode: DIRECTORY_MODE });
		} catch (error) {
			if (errnoOf(error) !== "EEXIST" || !(await this.#fs.stat(path)).isDirectory()) throw error;
		}
	}

	async #syncDirectory(path: string): Promise<void> {
		const directory = await this.#fs.open(path, "r");
		try {
			await directory.sync();
		} catch (error) {
			// Some file systems (FUSE, SMB) cannot sync a directory at all; they offer nothing better.
			if (!["EINVAL", "ENOTSUP"].includes(errnoOf(error))) throw error;
		} finally {
			await directory.close();
		}
	}

	/**
	 * Keys below `directory` (`""` or ending in `/`) in the order of their bytes, which for ASCII is
	 * that of `sort`. A directory sorts as its name plus `/`, like its keys: `a-b` comes before
	 * `a/b`, and `a/b` before `a0`.
	 */
	async *#keys(directory: string, prefix: string, startAfter: string): AsyncGenerator<string> {
		const names = await this.#names(directory);
		for (const name of names.sort()) {
			const key = directory + name;
			if (!key.startsWith(prefix)) continue;
			if (!key.endsWith("/")) {
				if (key > startAfter) yield key;
			} else if (key > startAfter || startAfter.startsWith(key)) {
				yield* this.#keys(key, prefix, startAfter);
			}
		}
	}

	/**
	 * Unsorted names in a directory, those of directories with a `/`. Names that cannot be part of a
	 * key do not belong to the store.
	 */
	async #names(directory: string): Promise<string[]> {
		const names: string[] = [];
		for (const entry of await this.#entries(directory)) {
			if (!isKeySegment(entry.name) || (directory === "" && entry.name === TEMP_DIRECTORY))
				continue;
			const target = entry.isSymbolicLink()
				? await this.#statOrAbsent(directory + entry.name)
				: entry;
			if (target?.isFile()) names.push(entry.name);
			else if (target?.isDirectory()) names.push(`${entry.name}/`);
		}
		return names;
	}

	async #entries(directory: string): Promise<Dirent[]> {
		try {
			return await this.#fs.readdir(this.#path(directory), { withFileTypes: true });
		} catch (error) {
			if (await this.#isAbsent(error)) return [];
			throw this.#readError(error, this.#path(directory));
		}
	}

	async #page(
		keys: readonly string[],
		prefix: string,
		signal: AbortSignal | undefined,
	): Promise<ListPage> {
		throwIfAborted(this.#path(prefix), signal);
		this.requests.list++;
		const objects = await Promise.all(
			keys.map(async (key): Promise<ObjectInfo[]> => {
				const stat = await this.#statOrAbsent(key);
				return stat === undefined
					? []
					: [{ key, sizeBytes: stat.size, lastModifiedMs: Math.trunc(stat.mtimeMs) }];
			}),
		);
		return { objects: objects.flat(), storeTimeMs: Date.now() };
	}

	/** `undefined`: deleted since its directory was read, or a dangling symbolic link. */
	async #statOrAbsent(key: string): Promise<Stats | undefined> {
		try {
			return await this.#fs.stat(this.#path(key));
		} catch (error) {
			if (await this.#isAbsent(error)) return undefined;
			throw this.#readError(error, this.#path(key));
		}
	}

	/**
	 * @throws SidecarError STORE_URL_INVALID: a file in place of the store must not read as an empty
	 * store.
	 */
	async #isAbsent(error: unknown): Promise<boolean> {
		if (errnoOf(error) === "ENOTDIR") await this.#assertRootIsDirectory();
		return ["ENOENT", "ENOTDIR"].includes(errnoOf(error));
	}

	async #assertRootIsDirectory(): Promise<void> {
		const isDirectory = await this.#fs.stat(this.#root).then(
			(stat) => stat.isDirectory(),
			(error: unknown) => errnoOf(error) !== "ENOTDIR",
		);
		if (!isDirectory)
			throw new SidecarError("STORE_URL_INVALID", {
				value: this.url,
				reason: "the path is a file, or leads through one",
			});
	}

	#notFound(key: string): SidecarError {
		return new SidecarError("OBJECT_NOT_FOUND", { value: key, reason: `not in ${this.url}` });
	}

	#readError(error: unknown, path: string): SidecarError {
		if (error instanceof SidecarError) return error;
		const errno = errnoOf(error);
		const code = ACCESS_ERRNOS.includes(errno) ? "STORE_ACCESS_DENIED" : "STORE_UNREACHABLE";
		return new SidecarError(code, { value: path, reason: errno, cause: error });
	}
}

type PutStep = "make" | "write" | "link" | "sync";

const ACCESS_ERRNOS: readonly string[] = ["EACCES", "EPERM", "EROFS"];
const NO_SPACE_ERRNOS: readonly string[] = ["ENOSPC", "EDQUOT"];
/** Errors of link(2) on file systems without hard links, or with a mount inside the store. */
const NO_LINK_ERRNOS: readonly string[] = [
	"EPERM",
	"ENOTSUP",
	"EOPNOTSUPP",
	"ENOSYS",
	"EXDEV",
	"EMLINK",
];

/**
 * The reason why the object certainly was not created; `undefined` if that is not certain, or if a
 * retry may succeed.
 */
export function putErrorCode(errno: string, step: PutStep): ErrorCode | undefined {
	if (step === "sync") return undefined;
	if (step === "link" && NO_LINK_ERRNOS.includes(errno)) return "STORE_UNSUPPORTED";
	if (NO_SPACE_ERRNOS.includes(errno)) return "NOT_DURABLE";
	if (ACCESS_ERRNOS.includes(errno)) return "STORE_ACCESS_DENIED";
	// A key below another object's key: S3 can hold both, a directory cannot. No log has such keys.
	if (step === "make" && (errno === "ENOTDIR" || errno === "EEXIST")) return "STORE_UNSUPPORTED";
	return undefined;
}

function errnoOf(error: unknown): string {
	return error instanceof Error && "code" in error && typeof error.code === "string"
		? error.code
		: "";
}
