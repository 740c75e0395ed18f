/**
 * Real files below one directory, with calls that fail on request: once, like a disk error, or from
 * then on, as if the process was killed there. Earlier changes stay, in their order.
 */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { sep } from "node:path";

export type Failure = "EIO" | "EACCES" | "ENOSPC" | "killed";

const ERRNO = { EIO: 5, EACCES: 13, ENOSPC: 28 } as const;

/** The calls of `node:fs`, by which argument is the path or descriptor that is changed. */
const CHANGING = {
	chmodSync: 0,
	closeSync: 0,
	copyFileSync: 1,
	fchmodSync: 0,
	fsyncSync: 0,
	ftruncateSync: 0,
	linkSync: 1,
	mkdirSync: 0,
	openSync: 0,
	renameSync: 0,
	rmdirSync: 0,
	rmSync: 0,
	symlinkSync: 1,
	unlinkSync: 0,
	utimesSync: 0,
	writeFileSync: 0,
	writeSync: 0,
} as const;

type Name = keyof typeof CHANGING;
type Call = (...args: unknown[]) => unknown;

export class FailingDisk implements Disposable {
	readonly #below: string;
	readonly #originals = new Map<Name, Call>();
	/** Descriptors below the directory that can write. */
	readonly #open = new Set<number>();
	#left = Number.POSITIVE_INFINITY;
	#failure: Failure = "EIO";
	/** The number of calls that changed something, or would have. */
	steps = 0;
	/** The failed call, as `renameSync /path`. */
	failed: string | undefined;

	constructor(below: string) {
		this.#below = below;
		const patched = fs as unknown as Record<Name, Call>;
		for (const [name, index] of Object.entries(CHANGING) as [Name, number][]) {
			const original = patched[name];
			this.#originals.set(name, original);
			patched[name] = (...args) => this.#call(name, original, args, args[index]);
		}
		syncBuiltinESMExports();
	}

	/** The call after `steps` more fails. */
	arm(steps: number, failure: Failure): void {
		this.#left = steps;
		this.#failure = failure;
		this.failed = undefined;
	}

	/** No call fails any more. */
	disarm(): void {
		this.#left = Number.POSITIVE_INFINITY;
	}

	[Symbol.dispose](): void {
		Object.assign(fs, Object.fromEntries(this.#originals));
		syncBuiltinESMExports();
	}

	#call(name: Name, original: Call, args: unknown[], target: unknown): unknown {
		if (!this.#isChange(name, args, target)) return original(...args);
		this.steps++;
		// A killed process has no descriptors, and none may leak here.
		if (this.#left-- <= 0 && !(name === "closeSync" && this.#failure === "killed")) {
			if (this.#failure !== "killed") this.disarm();
			this.failed ??= `${name} ${String(target)}`;
			throw made(this.#failure, name);
		}
		const result = original(...args);
		if (name === "openSync") this.#open.add(result as number);
		if (name === "closeSync") this.#open.delete(target as number);
		return result;
	}

	#isChange(name: Name, args: unknown[], target: unknown): boolean {
		if (typeof target === "number") return this.#open.has(target);
		if (!String(target).startsWith(this.#below + sep)) return false;
		return name !== "openSync" || mayWrite(args[1]);
	}
}

/** Errors as Node creates them; a killed process never sees one. */
function made(failure: Failure, name: Name): Error {
	const error = new Error(`${failure}: made up, ${name}`);
	return failure === "killed"
		? error
		: Object.assign(error, {
				code: failure,
				errno: -ERRNO[failure],
				syscall: name.replace("Sync", ""),
			});
}

function mayWrite(flags: unknown): boolean {
	const { O_WRONLY, O_RDWR, O_CREAT } = fs.constants;
	if (typeof flags === "number") return (flags & (O_WRONLY | O_RDWR | O_CREAT)) !== 0;
	return flags !== undefined && flags !== "r";
}
