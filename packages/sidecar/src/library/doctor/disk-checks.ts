/** Checks that the workspace and the private directory can be read and written. */
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { SidecarError } from "../../errors.ts";
import { count, humanBytes, plural } from "../../telemetry/format.ts";
import { RESERVED_DIRECTORY } from "../../workspace/filter.ts";
import { statOf } from "../../workspace/stat.ts";
import { realPath } from "../place.ts";
import { requireOutside, withRealWorkspace } from "../workspace-place.ts";
import { type Check, type CheckOutcome, ok, problem, warning } from "./check.ts";

const SHOWN = 3;

export const workspace: Check = {
	name: "workspace",
	look: async (patient) => {
		requireOutside(
			withRealWorkspace(patient.settings),
			patient.options.store?.url ?? patient.settings.store,
		);
		const { main: root, others } = patient.roots;
		if (statOf(root) === undefined)
			return writableParent(
				root,
				"WORKSPACE_READ_ONLY",
				`${root} does not exist yet; a restore creates it`,
			);
		const { stats, problems } = await patient.scan();
		for (const directory of patient.roots.directories) {
			const isThere = statOf(directory) !== undefined;
			const isWritable = isThere
				? isAllowed(directory, constants.W_OK | constants.X_OK)
				: canBeMade(directory);
			if (!isWritable)
				return problem(new SidecarError("WORKSPACE_READ_ONLY", { value: directory }));
		}
		const unreadable = problems.filter(({ reason }) => reason === "unreadable");
		if (unreadable.length > 0) {
			const names = unreadable.slice(0, SHOWN).map(({ path, code }) => `${path} (${code})`);
			return problem(
				new SidecarError("WORKSPACE_UNREADABLE", {
					value: names.join(", "),
					reason: `${count(unreadable.length, "path")} cannot be read, so ${plural(unreadable.length, "it is", "they are")} not stored`,
				}),
			);
		}
		const roots = others.size === 0 ? "" : ` and ${[...others.values()].join(", ")}`;
		const missing = [...others.values()].filter((directory) => statOf(directory) === undefined);
		const made =
			missing.length === 0 ? "" : `; missing, created by a restore: ${missing.join(", ")}`;
		return ok(`${root}${roots}: ${count(stats.size, "path")}, readable and writable${made}`);
	},
};

export const staging: Check = {
	name: "staging",
	look: ({ roots }) => {
		const place = roots.directories
			.map((directory) => join(directory, RESERVED_DIRECTORY))
			.find(isAcrossFileSystems);
		if (place === undefined) return ok("files are staged on the workspace's own file system");
		return problem(
			new SidecarError("WORKSPACE_READ_ONLY", {
				value: place,
				reason: "it is on another file system than the workspace, and a rename cannot cross",
				remedy: `unmount ${place}`,
			}),
		);
	},
};

export const stateDirectory: Check = {
	name: "state directory",
	look: ({ settings: { stateDir } }) => {
		const stat = statOf(realPath(stateDir));
		if (stat === undefined)
			return writableParent(
				stateDir,
				"STATE_DIR_UNUSABLE",
				`${stateDir} does not exist yet; it is created when needed`,
			);
		if (stat.type !== "dir")
			return problem(
				new SidecarError("STATE_DIR_UNUSABLE", {
					value: stateDir,
					reason: "it is not a directory",
				}),
			);
		if (!isAllowed(stateDir, constants.R_OK | constants.W_OK | constants.X_OK))
			return problem(
				new SidecarError("STATE_DIR_UNUSABLE", { value: stateDir, reason: "it cannot be written" }),
			);
		if ((stat.mode & 0o022) !== 0)
			return warning(`${stateDir}: others may write it`, `chmod go-w ${stateDir}`);
		return ok(stateDir);
	},
};

/** The worst result over all file systems of the workspace and its roots. */
export const workspaceSpace: Check = {
	name: "disk of the workspace",
	look: ({ roots }) => {
		const byDevice = new Map(
			roots.directories
				.toReversed()
				.map((directory) => [statOf(nearest(directory))?.dev, directory]),
		);
		const outcomes = [...byDevice.values()].reverse().map(space);
		const worst =
			outcomes.find(({ status }) => status === "problem") ??
			outcomes.find(({ status }) => status === "warning");
		return worst ?? ok(outcomes.map(({ found }) => found).join("; "));
	},
};
export const stateSpace: Check = {
	name: "disk of the state directory",
	look: ({ settings }) => space(settings.stateDir),
};

export interface FreeSpace {
	readonly freeBytes: number;
	readonly freeInodes: number;
	/** 0 on file systems without a fixed number of inodes. */
	readonly inodes: number;
}

/**
 * The space that a restore leaves free, and room for copies of databases (at most 64 MB each) next
 * to other work.
 */
const LEAST_BYTES = 16 * 1024 * 1024;
const SCANT_BYTES = 512 * 1024 * 1024;
const LEAST_INODES = 100;
const SCANT_INODES = 10_000;

function space(path: string): CheckOutcome {
	const { bavail, blocks, bsize, ffree, files } = statfsSync(nearest(path));
	if (blocks === 0) return ok(`the file system does not report the free space at ${path}`);
	return classifySpace(path, { freeBytes: bavail * bsize, freeInodes: ffree, inodes: files });
}

export function classifySpace(
	path: string,
	{ freeBytes, freeInodes, inodes }: FreeSpace,
): CheckOutcome {
	const found = `${humanBytes(freeBytes)} and ${inodes === 0 ? "any number of files" : count(freeInodes, "file")} free at ${path}`;
	const hasInodes = (least: number) => inodes === 0 || freeInodes >= least;
	if (freeBytes < LEAST_BYTES || !hasInodes(LEAST_INODES))
		return problem(new SidecarError("WORKSPACE_DISK_FULL", { reason: `only ${found}` }));
	if (freeBytes < SCANT_BYTES || !hasInodes(SCANT_INODES))
		return warning(`only ${found}`, "free space or enlarge the disk before it is full");
	return ok(found);
}

function writableParent(
	path: string,
	code: "WORKSPACE_READ_ONLY" | "STATE_DIR_UNUSABLE",
	found: string,
): CheckOutcome {
	if (canBeMade(path)) return ok(found);
	return problem(
		new SidecarError(code, {
			value: path,
			reason: `it does not exist, and ${nearest(dirname(path))} cannot be written`,
		}),
	);
}

function canBeMade(path: string): boolean {
	return isAllowed(nearest(dirname(path)), constants.W_OK | constants.X_OK);
}

/** Is the place on another file system than its parent directory? */
function isAcrossFileSystems(place: string): boolean {
	const [directory, own] = [statOf(dirname(place)), statOf(place)];
	return directory !== undefined && own !== undefined && own.dev !== directory.dev;
}

/** The path itself, or its nearest existing parent. */
function nearest(path: string): string {
	return existsSync(path) ? path : nearest(dirname(path));
}

function isAllowed(path: string, mode: number): boolean {
	try {
		accessSync(path, mode);
		return true;
	} catch {
		return false;
	}
}
