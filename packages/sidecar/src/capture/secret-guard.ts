/**
 * Finds secrets during captures, in places where none are expected.
 *
 * Does NOT scan: paths the profile knows to hold secrets, SQLite databases, link targets, and what
 * `SecretScanner` leaves out. Under `warn`, content that was already captured or restored is not
 * scanned again; under `exclude` and `fail` the whole file is. No event, error or report ever
 * contains the secret or any part of it.
 */

import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import type { Root } from "../path.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Profile } from "../workspace/profile.ts";
import { SCANNED_BYTES, SecretScanner } from "../workspace/secrets/scanner.ts";
import { readStable } from "../workspace/stable-read.ts";
import { lstatPath, type Stat, sameStat } from "../workspace/stat.ts";

/**
 * `warn`: the file is stored. `exclude`: it is not stored, everything else is. `fail`: nothing is
 * stored.
 */
export type SecretPolicy = "warn" | "exclude" | "fail";

/** A file that is not stored because the policy says so. */
export interface Excluded {
	readonly path: Path;
	/** One readable clause. */
	readonly reason: string;
}

export interface SecretGuardOptions {
	readonly policy: SecretPolicy;
	readonly profile: Pick<Profile, "secret">;
	/** xxh64, so that a secret is recognised without being kept. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly logger: Logger;
}

/**
 * The number of reported secrets to remember. Beyond it, all are forgotten and reported once more.
 */
const REMEMBERED = 10_000;

export class SecretGuard {
	readonly policy: SecretPolicy;
	readonly #options: SecretGuardOptions;
	/** Path, kind and hash of each secret that an event reported. */
	readonly #told = new Set<string>();
	readonly #cut = new Set<Path>();
	readonly #excluded = new Map<
		Path,
		{ readonly stat: Stat | undefined; readonly reason: string }
	>();

	constructor(options: SecretGuardOptions) {
		this.policy = options.policy;
		this.#options = options;
	}

	/** Undefined if secrets are expected there. */
	look(path: Path): SecretLook | undefined {
		return this.#options.profile.secret(path)
			? undefined
			: new SecretLook(path, this.#options.quickHash);
	}

	/**
	 * Raises one event for each kind of secret that was not reported yet. @param stored what happens
	 * to the file
	 */
	tell(look: SecretLook): void {
		const { path, found, isCut } = look;
		if (isCut && !this.#cut.has(path)) {
			this.#cut.add(path);
			this.#options.logger.info("security.secret-scan-cut", { path, scannedBytes: SCANNED_BYTES });
		}
		for (const [secretKind, hashes] of found) {
			const names = [...hashes].map((hash) => JSON.stringify([path, secretKind, String(hash)]));
			const isNew = names.some((name) => !this.#told.has(name));
			if (this.#told.size > REMEMBERED) this.#told.clear();
			for (const name of names) this.#told.add(name);
			if (isNew)
				this.#options.logger.warn("security.secret-found", {
					path,
					secretKind,
					policy: this.policy,
				});
		}
	}

	/**
	 * Records that the file is not stored.
	 * @param stat under which it was read; undefined if it may have changed meanwhile
	 * @param hasOlder a version of it is in the log
	 * @throws SidecarError SECRET_FOUND if the policy is `fail`
	 */
	refuse(look: SecretLook, stat: Stat | undefined, hasOlder: boolean): void {
		this.tell(look);
		const { path } = look;
		const kinds = [...look.found.keys()].join(", ");
		if (this.policy === "fail")
			throw new SidecarError("SECRET_FOUND", { value: path, reason: `it holds ${kinds}` });
		this.#excluded.set(path, { stat, reason: excludedBecause(kinds, hasOlder) });
	}

	/** Whether it was refused in its current state. */
	isStillExcluded(path: Path, stat: Stat): boolean {
		const known = this.#excluded.get(path)?.stat;
		return known !== undefined && sameStat(known, stat);
	}

	/** Call it if the file was stored, or is gone. */
	forget(path: Path): void {
		this.#excluded.delete(path);
	}

	/** Files on the disk below `root` that are left out of the log by choice. */
	excluded(root: Root): Excluded[] {
		for (const path of this.#excluded.keys()) if (!isFile(root, path)) this.#excluded.delete(path);
		return [...this.#excluded].map(([path, { reason }]) => ({ path, reason }));
	}
}

/** One read of one file. */
export class SecretLook {
	readonly path: Path;
	/** Hashes of the secrets, by kind. */
	readonly found = new Map<string, Set<bigint>>();
	readonly #scanner: SecretScanner;

	constructor(path: Path, quickHash: SecretGuardOptions["quickHash"]) {
		this.path = path;
		this.#scanner = new SecretScanner((kind, bytes) => {
			const hashes = this.found.get(kind);
			if (hashes === undefined) this.found.set(kind, new Set([quickHash(bytes)]));
			else hashes.add(quickHash(bytes));
		});
	}

	get isCut(): boolean {
		return this.#scanner.isCut;
	}

	/** A binary file is not scanned. */
	get isBinary(): boolean {
		return this.#scanner.isBinary;
	}

	/** As `SecretScanner.take`. */
	take(bytes: Buffer, offset: number, isWanted: boolean, isLast: boolean): void {
		if (offset === 0) this.found.clear();
		this.#scanner.take(bytes, offset, isWanted, isLast);
	}
}

/**
 * The reason why `exclude` would leave out a file in a place where secrets are not expected;
 * undefined if it would be stored.
 */
export async function whyExcluded(
	root: Root,
	path: Path,
	hasOlder: boolean,
	signal?: AbortSignal,
): Promise<string | undefined> {
	const look = new SecretLook(path, () => 0n);
	await lookThrough(root, look, signal);
	return look.found.size === 0
		? undefined
		: excludedBecause([...look.found.keys()].join(", "), hasOlder);
}

const CHUNK_BYTES = 1 << 20;

/** Reads the file only to look for secrets, up to the first one. */
export async function lookThrough(
	root: Root,
	look: SecretLook,
	signal?: AbortSignal,
): Promise<void> {
	const onChunk = (_index: number, bytes: Buffer, offset: number) => {
		look.take(bytes, offset, true, bytes.length < CHUNK_BYTES);
		return look.found.size === 0 && !look.isBinary;
	};
	await readStable(root, look.path, CHUNK_BYTES, onChunk, {
		maxBytes: SCANNED_BYTES,
		signal,
	});
}

function excludedBecause(kinds: string, hasOlder: boolean): string {
	return `left out by --on-secret exclude: it holds ${kinds}${hasOlder ? "; an older version is in the log and stays there" : ""}`;
}

function isFile(root: Root, path: Path): boolean {
	try {
		return lstatPath(root, path)?.type === "file";
	} catch {
		return true;
	}
}
