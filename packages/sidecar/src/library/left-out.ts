/**
 * Counts the paths that the profile and the ignore file exclude from the log, and lists the links
 * in the rest. Only reads the disk.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { printable } from "../errors.ts";
import { decodeName, fsPath, joinPath, type Roots } from "../path.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Rules } from "../workspace/filter.ts";
import { IGNORE_FILE } from "../workspace/ignore-file.ts";
import { readNames } from "../workspace/read-names.ts";
import type { FileType } from "../workspace/stat.ts";

export interface LeftOutSum {
	/** The first few paths; everything below them is excluded too. */
	readonly paths: readonly string[];
	/** The number of such paths. */
	readonly count: number;
	/** Files and links at or below them. */
	readonly files: number;
	readonly bytes: number;
}

export interface LeftOut {
	readonly byProfile: LeftOutSum;
	readonly byIgnoreFile: LeftOutSum;
	/**
	 * False: there are more. Other file systems, and anything beyond the time limit, are not counted.
	 */
	readonly isComplete: boolean;
}

export interface Survey {
	readonly leftOut: LeftOut;
	/** Links that are stored: path and target. */
	readonly links: readonly (readonly [path: string, target: string])[];
}

const NAMED_PATHS = 5;
/** Time limit for counting excluded paths. */
const COUNTING_MS = 2_000;
/** Used if only links are needed. */
export const NO_COUNTING = 0;

interface Sum {
	readonly paths: string[];
	count: number;
	files: number;
	bytes: number;
}

/** Scans everything that is stored, and excluded paths for at most `countingMs`; default 2 s. */
export function survey(
	roots: Roots,
	rules: Pick<Rules, "exclusion">,
	countingMs = COUNTING_MS,
): Survey {
	const sums = { profile: emptySum(), ignoreFile: emptySum() };
	const links: (readonly [string, string])[] = [];
	const deadline = performance.now() + countingMs;
	let isComplete = true;
	const count = (sum: Sum, path: string, device: number) => {
		const pending = [path];
		for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
			const stat = look(roots, at);
			if (stat === undefined) continue;
			if (!stat.isDirectory()) {
				sum.files++;
				if (stat.isFile()) sum.bytes += stat.size;
				continue;
			}
			if (stat.dev !== device || performance.now() > deadline) isComplete = false;
			else for (const name of namesIn(roots, at)) pending.push(joinPath(at, name));
		}
	};

	const pending = [""];
	for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
		const device = look(roots, directory)?.dev ?? 0;
		for (const name of namesIn(roots, directory)) {
			const path = joinPath(directory, name);
			const stat = look(roots, path);
			const type: FileType =
				stat === undefined || stat.isDirectory()
					? "dir"
					: stat.isSymbolicLink()
						? "link"
						: stat.isFile()
							? "file"
							: "other";
			const exclusion = rules.exclusion(path, type);
			// `lost+found`, the sidecar's own staging, and sockets are not counted.
			if (exclusion?.by === "reserved" || exclusion?.by === "special") continue;
			if (exclusion !== undefined) {
				const sum = sums[exclusion.by === "profile" ? "profile" : "ignoreFile"];
				sum.count++;
				if (sum.paths.length < NAMED_PATHS) sum.paths.push(path);
				count(sum, path, device);
			} else if (type === "dir") pending.push(path);
			else if (type === "link") {
				const target = targetOf(roots, path);
				if (target !== undefined) links.push([path, target]);
			}
		}
	}
	return { leftOut: { byProfile: sums.profile, byIgnoreFile: sums.ignoreFile, isComplete }, links };
}

/** One line each for the profile and the ignore file. */
export function leftOutLines({ byProfile, byIgnoreFile, isComplete }: LeftOut): string[] {
	const line = ({ paths, count, files, bytes }: LeftOutSum, who: string) => {
		const more = count > paths.length ? `, and ${count - paths.length} more` : "";
		const amount = `${isComplete ? "" : "at least "}${files.toLocaleString("en-US")} ${files === 1 ? "file" : "files"}, ${humanBytes(bytes)}`;
		return `${amount} by ${who}: ${paths.map((path) => printable(path)).join(", ")}${more}`;
	};
	return [
		...(byProfile.count > 0 ? [line(byProfile, "the profile")] : []),
		...(byIgnoreFile.count > 0 ? [line(byIgnoreFile, IGNORE_FILE)] : []),
	];
}

function emptySum(): Sum {
	return { paths: [], count: 0, files: 0, bytes: 0 };
}

/** `.roots` itself exists on no disk. The scan reports what cannot be inspected. */
function look(roots: Roots, path: string) {
	if (roots.locate(path) === undefined) return undefined;
	try {
		return lstatSync(fsPath(roots, path), { throwIfNoEntry: false });
	} catch {
		return undefined;
	}
}

function namesIn(roots: Roots, path: string): readonly string[] {
	try {
		return readNames(roots, path);
	} catch {
		return [];
	}
}

function targetOf(roots: Roots, path: string): string | undefined {
	try {
		return decodeName(readlinkSync(fsPath(roots, path), { encoding: "buffer" }));
	} catch {
		return undefined;
	}
}
