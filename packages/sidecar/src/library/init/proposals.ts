/** What a machine suggests as answers to the questions of `init`. Only reads. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../config/options.ts";
import { joinPath } from "../../path.ts";
import { type Profile, profileNamed } from "../../workspace/profile.ts";
import { readNames } from "../../workspace/read-names.ts";
import { lstatPath, type Stat, statOf } from "../../workspace/stat.ts";
import { WorkspaceFilter } from "../../workspace/workspace-filter.ts";
import { realPath } from "../place.ts";
import { unlessMissing } from "./text-file.ts";

export interface AgentFound {
	readonly profile: Config["profile"];
	/** Absolute. */
	readonly workspace: string;
	/** The file that shows it. */
	readonly by: string;
}

export interface StoreFound {
	readonly kind: "s3";
	/** For people: where credentials or a server were found. */
	readonly by: string;
}

export interface LargeDirectory {
	/** A line for the ignore file. */
	readonly pattern: string;
	readonly files: number;
	readonly bytes: number;
	/** A program fills it again by itself. */
	readonly isCache: boolean;
	/** False: the time limit ended the count. */
	readonly isComplete: boolean;
}

/** Directories that a program fills again by itself when it needs them. */
const CACHES = [
	".cache",
	"__pycache__",
	".mypy_cache",
	".pytest_cache",
	".ruff_cache",
	".npm",
	".gradle",
];
/** Directories that a command fills again, such as `npm install`. */
const INSTALLED = ["node_modules", ".venv", "venv", "target"];
const BY_NAME = new Set([...CACHES, ...INSTALLED]);

const SHOWN = 10;
/** Smaller directories are not worth a question. */
const LEAST_BYTES = 1024 * 1024;
const COUNTING_MS = 3_000;

/** OpenClaw's state directory, if this machine has one. */
export function findAgents(env: NodeJS.ProcessEnv, homeDir = homedir()): AgentFound[] {
	const places = [env.OPENCLAW_STATE_DIR, join(homeDir, ".openclaw")];
	return [...new Set(places)].flatMap((workspace) => {
		if (workspace === undefined || !workspace.startsWith("/")) return [];
		const by = join(workspace, "openclaw.json");
		return existsSync(by) ? [{ profile: "openclaw", workspace, by }] : [];
	});
}

/** Signs of S3 in the environment and the AWS SDK's files. */
export function findStores(env: NodeJS.ProcessEnv, homeDir = homedir()): StoreFound[] {
	const variables = [
		"AWS_ENDPOINT_URL_S3",
		"AWS_ENDPOINT_URL",
		"AWS_PROFILE",
		"AWS_ACCESS_KEY_ID",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	];
	const files = [
		env.AWS_SHARED_CREDENTIALS_FILE ?? join(homeDir, ".aws/credentials"),
		env.AWS_CONFIG_FILE ?? join(homeDir, ".aws/config"),
	];
	return [
		...variables.filter((name) => (env[name] ?? "") !== ""),
		...files.filter((path) => existsSync(path)),
	].map((by) => ({ kind: "s3", by }));
}

/**
 * The largest directories of a workspace among those that would be stored, each with the line that
 * leaves it out: directories that programs make by name, wherever they are, and those at the top.
 * Links are not followed. Counts for 3 s at most.
 */
export function largestDirectories({
	workspace: named,
	profile,
}: Pick<Config, "workspace" | "profile">): LargeDirectory[] {
	const workspace = realPath(named);
	if (statOf(workspace)?.type !== "dir") return [];
	const { filter } = WorkspaceFilter.open(workspace, profileNamed(profile) as Profile);
	const sums = new Map<string, { files: number; bytes: number }>();
	const deadline = performance.now() + COUNTING_MS;
	let isComplete = true;
	const pending: { readonly path: string; readonly pattern: string | undefined }[] = [
		{ path: "", pattern: undefined },
	];
	for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
		if (performance.now() > deadline) {
			isComplete = false;
			break;
		}
		for (const name of namesIn(workspace, at.path)) {
			const path = joinPath(at.path, name);
			const stat = unlessMissing(() => lstatPath(workspace, path));
			if (stat === undefined || filter(path, stat.type) === "skip") continue;
			const isMade = stat.type === "dir" && BY_NAME.has(name);
			const isNamed = at.pattern !== undefined && !at.pattern.startsWith("/");
			if (stat.type === "dir") {
				if (path === name && !isOneLine(name)) continue;
				const pattern = isMade && !isNamed ? `${name}/` : (at.pattern ?? `/${escaped(name)}/`);
				pending.push({ path, pattern });
			} else add(at.pattern, stat);
		}
	}
	return [...sums]
		.map(([pattern, sum]) => ({
			pattern,
			...sum,
			isCache: CACHES.includes(pattern.slice(0, -1)),
			isComplete,
		}))
		.filter(({ bytes, isCache }) => isCache || bytes >= LEAST_BYTES)
		.sort((a, b) => b.bytes - a.bytes)
		.slice(0, SHOWN);

	function add(pattern: string | undefined, { size }: Stat): void {
		if (pattern === undefined) return;
		const sum = sums.get(pattern) ?? { files: 0, bytes: 0 };
		sum.files++;
		sum.bytes += size;
		sums.set(pattern, sum);
	}
}

/**
 * Can the ignore file hold it as one line? Bytes that are not UTF-8 are lone surrogates in names on
 * the disk, and U+FFFD in arguments.
 */
export function isOneLine(text: string): boolean {
	return !/[\0\r\n\ufffd]/.test(text) && text.isWellFormed();
}

function namesIn(workspace: string, path: string): readonly string[] {
	try {
		return readNames(workspace, path);
	} catch {
		return [];
	}
}

/** In the syntax of `.gitignore`, a name that means only itself. */
function escaped(name: string): string {
	return name.replace(/[\\*?[\]]/g, "\\$&").replace(/ $/, "\\ ");
}
