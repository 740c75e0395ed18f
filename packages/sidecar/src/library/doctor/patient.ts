/** Shared input of several checks, each part looked up once. */
import { existsSync } from "node:fs";
import { newestSeq } from "../../commit/read-log.ts";
import type { Config } from "../../config/options.ts";
import { SidecarError } from "../../errors.ts";
import { PACK_HEADER_BYTES, PackWriter } from "../../log/pack-codec.ts";
import type { Roots } from "../../path.ts";
import { namespaced } from "../../store/namespaced.ts";
import {
	type OpenStoreOptions,
	openStore,
	parseStoreUrl,
	type StoreLocation,
} from "../../store/open.ts";
import type { ObjectStore } from "../../store/port.ts";
import type { Profile } from "../../workspace/profile.ts";
import { type ScanResult, scan } from "../../workspace/scan.ts";
import { WorkspaceFilter } from "../../workspace/workspace-filter.ts";
import { type Coverage, coverageOf } from "../coverage.ts";
import { openRoots } from "../open-roots.ts";
import { connectionOf } from "../options.ts";
import { requireParent } from "../store-place.ts";
import { requireStoreOutside } from "../workspace-place.ts";

export interface PatientOptions {
	readonly settings: Config;
	readonly profile: Profile;
	/** An open store, used instead of the one in the settings. */
	readonly store?: ObjectStore | undefined;
	readonly credentials?: OpenStoreOptions["credentials"] | undefined;
	/** Also try what should be denied. */
	readonly tryForbidden: boolean;
	readonly signal?: AbortSignal | undefined;
}

export interface Listing {
	/** The newest commit, 0 for an empty log. */
	readonly seq: number;
	/** The store's clock, and ours half way between request and response. */
	readonly storeTimeMs: number;
	readonly ourTimeMs: number;
	readonly roundTripMs: number;
}

/** `not-made`: the store's directory does not exist yet. */
export type ProbePut =
	| { readonly kind: "created" | "exists" | "not-made" }
	| { readonly kind: "unknown"; readonly cause: unknown };

export class DoctorContext {
	readonly settings: Config;
	readonly profile: Profile;
	readonly options: PatientOptions;
	readonly #once = new Map<string, Promise<unknown>>();
	#opened: ObjectStore | undefined;

	constructor(options: PatientOptions) {
		this.options = options;
		this.settings = options.settings;
		this.profile = options.profile;
	}

	/** Undefined for a store that was passed in. */
	get location(): StoreLocation | undefined {
		return this.options.store === undefined ? parseStoreUrl(this.settings.store) : undefined;
	}

	/** @throws SidecarError as openRoots */
	get roots(): Roots {
		return openRoots(this.settings, this.options.store?.url ?? this.settings.store);
	}

	/** @throws NodeJS.ErrnoException if the ignore file cannot be read */
	coverage(): Promise<Coverage> {
		return this.#remember("coverage", async () => coverageOf(this.roots, this.profile));
	}

	/** Connection settings that an S3 store's URL does not contain. */
	get connection(): OpenStoreOptions {
		return connectionOf(this.options, this.settings);
	}

	/** The namespace's part of the store. @throws SidecarError as openStore */
	store(): Promise<ObjectStore> {
		return this.#remember("store", async () => {
			const { store } = this.options;
			// The probes would be written into the workspace.
			requireStoreOutside(this.settings, store?.url ?? this.settings.store);
			if (store === undefined) requireParent(this.settings);
			if (store === undefined) this.#opened = await openStore(this.settings.store, this.connection);
			return namespaced((store ?? this.#opened) as ObjectStore, this.settings.namespace);
		});
	}

	/** Of the whole store, once it is open. */
	get storeUrl(): string {
		return (this.options.store ?? this.#opened)?.url ?? "";
	}

	/** @throws SidecarError STORE_*, OBJECT_CORRUPT */
	listing(): Promise<Listing> {
		return this.#remember("listing", async () => {
			const store = await this.store();
			const asked = performance.now();
			const { seq, storeTimeMs } = await newestSeq(store, this.options.signal);
			const roundTripMs = performance.now() - asked;
			return { seq, storeTimeMs, ourTimeMs: Date.now() - roundTripMs / 2, roundTripMs };
		});
	}

	/** May another request succeed although the listing failed? Yes if the listing was denied. */
	async isReachable(): Promise<boolean> {
		try {
			await this.listing();
			return true;
		} catch (error) {
			return (
				!(error instanceof SidecarError) ||
				(error.code !== "STORE_UNREACHABLE" && error.code !== "STORE_BUCKET_MISSING")
			);
		}
	}

	/** Puts the probe. @throws SidecarError STORE_* */
	probe(): Promise<ProbePut> {
		return this.#remember("probe", async () => {
			const { location } = this;
			if (location?.kind === "directory" && !existsSync(location.path)) return { kind: "not-made" };
			return await (await this.store()).putIfAbsent(PROBE.key, PROBE.bytes, {
				signal: this.options.signal,
			});
		});
	}

	/** @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE */
	scan(): Promise<ScanResult> {
		return this.#remember("scan", async () => {
			const { roots } = this;
			return await scan(roots, WorkspaceFilter.open(roots, this.profile).filter, {
				signal: this.options.signal,
			});
		});
	}

	async close(): Promise<void> {
		await this.#opened?.close();
	}

	#remember<T>(name: string, look: () => Promise<T>): Promise<T> {
		const known = this.#once.get(name) ?? look();
		this.#once.set(name, known);
		return known as Promise<T>;
	}
}

/**
 * Stored to test the store: a pack without blocks, its nonce all zeros. Each namespace gets it
 * once. Nothing refers to it, retention removes it like any unneeded pack, and a store that
 * overwrites it writes the same 28 bytes. Its key is allowed by every policy under which a sidecar
 * can work.
 */
export const PROBE = new PackWriter(Buffer.alloc(PACK_HEADER_BYTES), Buffer.alloc(16)).finish();

/** @throws SidecarError STORE_UNREACHABLE */
export function requireDecided(put: ProbePut): Exclude<ProbePut, { kind: "unknown" }> {
	if (put.kind !== "unknown") return put;
	const reason = `the store did not report whether it stored the probe: ${put.cause instanceof Error ? put.cause.message : String(put.cause)}`;
	throw new SidecarError("STORE_UNREACHABLE", { reason, cause: put.cause });
}
