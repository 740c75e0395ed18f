import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Measurement } from "../measurement.ts";
import { megabytes } from "../statistics.ts";

const BUNDLE_BYTES = 3_000_000;
/** The planned runtime dependencies; up to three more meet the budget. */
const PLANNED: ReadonlySet<string> = new Set(
	"@aws-sdk/client-s3 @aws-sdk/lib-storage @aws-sdk/credential-providers chokidar commander pino zod p-queue ignore xxhash-wasm".split(
		" ",
	),
);

export const size: Measurement = {
	name: "size",
	title: "What is installed",
	run: async (lab) => {
		const { dependencies, optionalDependencies } = JSON.parse(
			readFileSync(join(import.meta.dirname, "../../packages/sidecar/package.json"), "utf8"),
		) as {
			dependencies: Record<string, string>;
			optionalDependencies: Record<string, string>;
		};
		const names = [...Object.keys(dependencies), ...Object.keys(optionalDependencies)];
		const more = names.filter((name) => !PLANNED.has(name));
		const installed = install(lab.fresh("installed"));
		return {
			lines: [
				{
					what: "install: runtime dependencies",
					budget: "those planned, and at most 3 more",
					measured: `${names.length}, of them not planned: ${more.join(", ") || "none"}`,
					isMet: more.length <= 3,
				},
				{
					what: "install: the command's bundle",
					budget: `<= ${megabytes(BUNDLE_BYTES)}`,
					measured: megabytes(lab.tool.bundleBytes),
					ratio: lab.tool.bundleBytes / BUNDLE_BYTES,
					isMet: lab.tool.bundleBytes <= BUNDLE_BYTES,
				},
			],
			...(installed !== undefined && {
				notes: [
					`installed with all dependencies: ${megabytes(installed.bytes)} in ${installed.packages} packages`,
				],
			}),
		};
	},
};

/** Installs it as a user's package manager would, from packages that are already local. */
function install(
	directory: string,
): { readonly bytes: number; readonly packages: number } | undefined {
	try {
		execFileSync(
			"pnpm",
			["--filter", "openclaw-sidecar", "deploy", "--legacy", "--prod", "--offline", directory],
			{
				cwd: join(import.meta.dirname, "../.."),
				stdio: "ignore",
			},
		);
	} catch {
		return undefined;
	}
	let bytes = 0;
	for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
		if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).size;
	}
	const store = join(directory, "node_modules/.pnpm");
	return {
		bytes,
		packages: existsSync(store) ? readdirSync(store).filter((name) => /@\d/.test(name)).length : 0,
	};
}
