/** Builds the page into the sidecar's `dist/ui`: a few static files, and nothing to build later. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const DIRECTORY = import.meta.dirname;
export const UI_DIRECTORY = join(DIRECTORY, "../sidecar/dist/ui");

/** What the page may add to the package, compressed. */
export const UI_LIMIT_BYTES = 300_000;

export async function buildUi(): Promise<void> {
	const { build, defaultClientConditions } = await import("vite");
	await build({
		root: DIRECTORY,
		configFile: false,
		logLevel: "warn",
		// A worker has no document, which a library would decode `&amp;` with.
		resolve: { conditions: ["worker", ...defaultClientConditions] },
		oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
		build: {
			outDir: UI_DIRECTORY,
			emptyOutDir: true,
			assetsInlineLimit: 0,
			modulePreload: { polyfill: false },
			reportCompressedSize: false,
			// Their licences ask that copies hold them.
			license: { fileName: "LICENSES.md" },
			rolldownOptions: {
				// The worker is an entry, as the licences of a `?worker` are not collected.
				input: [join(DIRECTORY, "index.html"), join(DIRECTORY, "src/rich-worker.ts")],
				output: {
					entryFileNames: ({ name }) =>
						name === "rich-worker" ? "assets/[name].js" : "assets/[name]-[hash].js",
				},
			},
		},
	});
	const bytes = compressedBytes();
	if (bytes > UI_LIMIT_BYTES)
		throw new Error(`the page has ${bytes} bytes compressed, more than ${UI_LIMIT_BYTES}`);
	console.log(`dist/ui  ${(bytes / 1000).toFixed(0)} kB compressed`);
}

/** Of all files of the page, each compressed by itself. */
export function compressedBytes(): number {
	const files = readdirSync(UI_DIRECTORY, { recursive: true, encoding: "utf8" })
		.map((name) => join(UI_DIRECTORY, name))
		.filter((path) => statSync(path).isFile());
	return files.reduce((sum, path) => sum + gzipSync(readFileSync(path)).length, 0);
}

if (import.meta.main) await buildUi();
