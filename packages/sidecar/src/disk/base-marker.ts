import { hash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import { makeDirectories } from "../workspace/make-directories.ts";

/** What this machine knows of one workspace, kept outside it. */
export interface Marker {
	/** The commit the disk derives from; 0 for the empty tree. */
	readonly baseSeq: number;
	/** Its id: another log under the same name is not the same base. */
	readonly baseId: string;
	/** False while a restore is under way: a half-restored disk is trusted for nothing. */
	readonly complete: boolean;
	/** Where the workspace lay, absolute. */
	readonly workspace?: string;
	/**
	 * The workspace directory's identity: deletions made while nobody watched are believed only in
	 * this very directory.
	 */
	readonly root: string;
	/**
	 * The same for additional roots, by name. One that is missing was not on this disk: it derives
	 * from nothing.
	 */
	readonly roots?: Readonly<Record<string, RootMark>>;
	/**
	 * Mount points inside the workspace and its roots, and the volume in each. Absent in a marker of
	 * an earlier release.
	 */
	readonly mounts?: Mounts;
	/** The kernel's boot id when it was written, "" where the kernel does not say. */
	readonly boot: string;
	/** The writer that owned the workspace when it was written; absent after a mere restore. */
	readonly writer?: string;
	/**
	 * Everything the marker speaks of is on the platter: a restore or a closed flush ended with a
	 * syncfs.
	 */
	readonly clean: boolean;
}

/** Where an additional root lay, absolute, and which directory it was. */
export interface RootMark {
	readonly directory: string;
	/** Undefined where there was none. */
	readonly identity?: string;
}

/** Volumes by the path of their mount point in the tree, as `volumeOf` names them. */
export type Mounts = Readonly<Record<Path, string>>;

const VERSION = 1;

export interface WorkspaceIdentity {
	readonly workspace: string;
	readonly store: string;
	readonly namespace: string;
}

/** Where `privateDirectory` makes it. */
export function privatePath(
	stateDir: string,
	{ workspace, store, namespace }: WorkspaceIdentity,
): string {
	return join(
		stateDir,
		hash("sha256", JSON.stringify([workspace, store, namespace]), "hex").slice(0, 16),
	);
}

/**
 * A directory of our own for each (workspace, store, namespace): marker, control socket, temporary
 * database copies, trash.
 */
export function privateDirectory(stateDir: string, identity: WorkspaceIdentity): string {
	const directory = privatePath(stateDir, identity);
	try {
		makeDirectories(directory);
	} catch (cause) {
		throw new SidecarError("STATE_DIR_UNUSABLE", {
			value: stateDir,
			reason: (cause as NodeJS.ErrnoException).code ?? "cannot be made",
			cause,
		});
	}
	return directory;
}

/** Undefined where there is none, or none that can be read: then nothing on the disk is trusted. */
export function readMarker(directory: string): Marker | undefined {
	try {
		const marker = JSON.parse(
			readFileSync(join(directory, "base.json"), "utf8"),
		) as Partial<Marker> & { readonly version?: number };
		const {
			baseSeq,
			baseId,
			complete,
			workspace = "",
			root,
			roots = {},
			mounts = {},
			boot,
			clean,
		} = marker;
		const isWhole =
			marker.version === VERSION &&
			Number.isSafeInteger(baseSeq) &&
			typeof baseId === "string" &&
			typeof complete === "boolean" &&
			typeof workspace === "string" &&
			typeof root === "string" &&
			typeof roots === "object" &&
			roots !== null &&
			typeof mounts === "object" &&
			mounts !== null &&
			typeof boot === "string" &&
			typeof clean === "boolean";
		return isWhole ? (marker as Marker) : undefined;
	} catch {
		return undefined;
	}
}

/**
 * May the disk be taken for what the marker says? After a power cut files the log has may be
 * missing or torn, and that is no change anybody made.
 */
export function isTrusted(marker: Marker): boolean {
	return marker.clean || isThisBoot(marker);
}

/** Whether it was written since this machine started; false if the kernel gives no boot id. */
export function isThisBoot({ boot }: Marker): boolean {
	return boot !== UNKNOWN_BOOT && boot === bootId();
}

const UNKNOWN_BOOT = "";

/**
 * Stays the same in every copy of a machine's memory, which is right: what one machine wrote is in
 * all their memories. "" where /proc does not show it (`subset=pid`, or no /proc): then only a
 * clean marker is trusted.
 */
export function bootId(): string {
	try {
		return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
	} catch {
		return UNKNOWN_BOOT;
	}
}

/**
 * Replaces the marker whole. Not fsynced: a marker older than the disk only makes a restore look
 * twice.
 */
export function writeMarker(directory: string, marker: Marker): void {
	const file = join(directory, "base.json");
	try {
		writeFileSync(`${file}.new`, JSON.stringify({ version: VERSION, ...marker }), { mode: 0o600 });
		renameSync(`${file}.new`, file);
	} catch (cause) {
		throw new SidecarError("STATE_DIR_UNUSABLE", {
			value: directory,
			reason: (cause as NodeJS.ErrnoException).code ?? "cannot be written",
			cause,
		});
	}
}
