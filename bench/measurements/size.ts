import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { atMost } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { megabytes } from "../statistics.ts";

const BUNDLE_BYTES = 3_000_000;
/** The planned runtime dependencies; up to three more meet the budget. */
const PLANNED: ReadonlySet<string> = new Set(
	"@aws-sdk/client-s3 @aws-sdk/lib-storage @aws-sdk/credential-providers chokidar commander pino zod p-queue ignore xxhash-wasm".split(
		" ",
	),
);

const MORE = 3;

export const size: Measurement = {
	name: "size",
	title: "What is installed",
	budgets: [
		atMost(
			"install: runtime dependencies beyond those planned",
			"more than planned",
			MORE,
			String,
			`<= ${MORE}`,
		),
		atMost("install: the command's bundle", "bundle, bytes", BUNDLE_BYTES, megabytes),
	],
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
			figures: {
				"more than planned": [more.length],
				"bundle, bytes": [lab.tool.bundleBytes],
				...(installed !== undefined && {
					"installed with all dependencies, bytes": [installed.bytes],
					"packages installed": [installed.packages],
				}),
			},
			notes: [`${names.length} runtime dependencies, beyond those planned: ${more.join(", ")}`],
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
