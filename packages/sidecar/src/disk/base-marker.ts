import { hash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import { makeDirectories } from "../workspace/make-directories.ts";

/** What this machine remembers about one workspace, stored outside it. */
export interface Marker {
	/** The commit that the disk derives from; 0 for the empty tree. */
	readonly baseSeq: number;
	/** The id of that commit: another log with the same name is not the same base. */
	readonly baseId: string;
	/** False during a restore: nothing on a half-restored disk is trusted. */
	readonly complete: boolean;
	/** The location of the workspace, absolute. */
	readonly workspace?: string;
	/**
	 * The workspace directory's identity: deletions made while no watcher ran are trusted only in
	 * this very directory.
	 */
	readonly root: string;
	/**
	 * The same for additional roots, by name. A missing root was not on this disk: it derives from
	 * nothing.
	 */
	readonly roots?: Readonly<Record<string, RootMark>>;
	/**
	 * Mount points inside the workspace and its roots, and the volume in each. Absent in a marker
	 * from an earlier release.
	 */
	readonly mounts?: Mounts;
	/** The kernel's boot id when it was written; "" if the kernel does not report one. */
	readonly boot: string;
	/**
	 * The writer that owned the workspace when it was written; absent after a restore without a
	 * session.
	 */
	readonly writer?: string;
	/**
	 * Everything that the marker describes survives a power cut: a restore or a closed flush ended
	 * with a syncfs.
	 */
	readonly clean: boolean;
}

/** The absolute location of an additional root, and the identity of its directory. */
export interface RootMark {
	readonly directory: string;
	/** Undefined if there was no directory. */
	readonly identity?: string;
}

/** Volumes by the path of their mount point in the tree, named as by `volumeOf`. */
export type Mounts = Readonly<Record<Path, string>>;

const VERSION = 1;

export interface WorkspaceIdentity {
	readonly workspace: string;
	readonly store: string;
	readonly namespace: string;
}

/** The path that `privateDirectory` creates. */
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
 * A private directory for each (workspace, store, namespace): marker, control socket, temporary
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

/** Undefined if there is no readable marker: nothing on the disk is then trusted. */
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
 * Whether the disk can be trusted to match the marker. After a power cut, files that the log has
 * may be missing or torn without anyone's change.
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
 * The same in every clone of a machine's memory, which is right: what one machine wrote is in all
 * their memories. "" if /proc does not show it (`subset=pid`, or no /proc): only a clean marker is
 * then trusted.
 */
export function bootId(): string {
	try {
		return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
	} catch {
		return UNKNOWN_BOOT;
	}
}

/**
 * Replaces the whole marker. Not fsynced: a marker older than the disk only makes a restore inspect
 * paths twice.
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
