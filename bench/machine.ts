/** The machine and the versions of a run, kept with its result. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import { join } from "node:path";

export interface Machine {
	readonly cores: number;
	readonly processor: string;
	readonly architecture: string;
	readonly memoryGiB: number;
	readonly system: string;
	readonly kernel: string;
}

export function thisMachine(): Machine {
	const all = cpus();
	return {
		cores: all.length,
		processor: all[0]?.model.trim() ?? "unknown",
		architecture: arch(),
		memoryGiB: Math.round(totalmem() / 2 ** 30),
		system: /PRETTY_NAME="(.*)"/.exec(readText("/etc/os-release"))?.[1] ?? process.platform,
		kernel: release().replace(/-.*/, ""),
	};
}

const ROOT = join(import.meta.dirname, "..");

/** The commit ends in `+` if the checkout differs from it. */
export function ownVersions(): Readonly<Record<string, string>> {
	const git = (...args: string[]) => execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
	const commit = git("rev-parse", "--short=10", "HEAD").trim();
	const isChanged = git("status", "--porcelain", "packages").trim() !== "";
	const { version } = JSON.parse(
		readFileSync(join(ROOT, "packages/sidecar/package.json"), "utf8"),
	) as { version: string };
	return {
		"openclaw-sidecar": `${version} (${commit}${isChanged ? "+" : ""})`,
		node: process.versions.node,
	};
}

function readText(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
