/**
 * Real files below one directory, where a call that changes something fails when it is told to:
 * once, as a disk does, or from then on, as for a process that was killed there. What was done
 * before stays done, in its order.
 */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { sep } from "node:path";

export type Failure = "EIO" | "EACCES" | "ENOSPC" | "killed";

const ERRNO = { EIO: 5, EACCES: 13, ENOSPC: 28 } as const;

/** Of `node:fs`, by which of their arguments is a path or a descriptor that is changed. */
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
	/** Descriptors that may write, below the directory. */
	readonly #open = new Set<number>();
	#left = Number.POSITIVE_INFINITY;
	#failure: Failure = "EIO";
	/** Calls that changed something, or were to. */
	steps = 0;
	/** What failed, as `renameSync /path`. */
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

	/** Nothing fails any more. */
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
		// The process that was killed has no descriptors any more, and none may leak here.
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

/** Errors as Node makes them; a killed process never sees one. */
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
