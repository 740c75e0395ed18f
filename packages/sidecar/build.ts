/**
 * Builds `dist`: the command without dependencies, the library with its declarations,
 * the man page, the page of `openclaw-sidecar ui`. `--bundles-only` builds the bundles and the licences only.
 */
import { execFileSync } from "node:child_process";
import {
	chmodSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import manifest from "./package.json" with { type: "json" };

/** Budget of the design, for all parts of the command together. */
const COMMAND_LIMIT_BYTES = 3_000_000;
/** What every verb reads and compiles at its start. */
const PROGRAM_LIMIT_BYTES = 1_150_000;

/**
 * Modules of the command with a file of their own, `openclaw-sidecar-NAME.mjs`, since reading and
 * checking code that is not used costs every start. Each is imported dynamically, and shares no
 * module with the others: a class would exist twice.
 */
const PARTS: Readonly<Record<string, string>> = {
	program: "src/cli/start.ts",
	credentials: "src/store/aws-credentials.ts",
	"aws-config": "@smithy/core/config",
	"s3-upload": "src/store/s3-upload.ts",
	"model-signature": "src/model/signature.ts",
	tokens: "jose",
	dates: "chrono-node/en",
	watcher: "chokidar",
};

const DIRECTORY = import.meta.dirname;
const DIST = join(DIRECTORY, "dist");

const COMMON = {
	absWorkingDir: DIRECTORY,
	bundle: true,
	platform: "node",
	target: "node24",
	format: "esm",
	keepNames: true,
	metafile: true,
	write: false,
	logLevel: "warning",
} as const satisfies BuildOptions;

/** Dependencies in CommonJS call `require`, which an ES module does not have. */
const COMMAND_BANNER = `#!/usr/bin/env node
const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);`;

/**
 * Loads a module of Node when the first module that imports it runs. As an import of the bundle it
 * would be loaded at every start, `--version` included, and with it whatever its exports load when
 * they are listed: `node:http` brings all of undici (40 ms). Only the names that this importer
 * uses are looked up: commander needs `process`, and not its stdin, which is opened by the look.
 */
const lazyBuiltins: Plugin = {
	name: "lazy-builtins",
	setup({ onResolve, onLoad }) {
		const importers: string[] = [];
		const numberOf = (importer: string) =>
			importers.includes(importer) ? importers.indexOf(importer) : importers.push(importer) - 1;
		onResolve({ filter: /./ }, ({ path, kind, importer }) => {
			const isBuiltin = path.startsWith("node:") || builtinModules.includes(path);
			return kind !== "require-call" && isBuiltin
				? { path, namespace: "builtin", suffix: `?${numberOf(importer)}`, pluginData: importer }
				: undefined;
		});
		onLoad({ filter: /./, namespace: "builtin" }, ({ path, pluginData: importer }) => {
			// Commander needs it for subcommands that are programs of their own. There are none here.
			if (path === "node:child_process" && String(importer).includes("/commander/"))
				return { contents: `export default { get spawn() { return require("${path}").spawn; } };` };
			const names = Object.getOwnPropertyNames(process.getBuiltinModule(path)).filter((name) =>
				/^(?!default$)[A-Za-z_]\w*$/.test(name),
			);
			const lines = [
				`const builtin = require(${JSON.stringify(path)});`,
				"const exported = (name) => builtin[name];",
				...names.map(
					(name) =>
						`const $${name} = /* @__PURE__ */ exported("${name}"); export { $${name} as ${name} };`,
				),
				"export default builtin;",
			];
			return { contents: lines.join("\n") };
		});
	},
};

/** Leaves out pino's transports, which nobody uses here, with Node's threads that they load. */
const withoutTransports: Plugin = {
	name: "without-transports",
	setup({ onResolve, onLoad }) {
		onLoad({ filter: /\/pino\/lib\/transport\.js$/ }, () => ({ contents: "" }));
		onResolve({ filter: /^worker_threads$/ }, ({ path, importer }) =>
			importer.endsWith("/pino/lib/tools.js") ? { path, namespace: "main-thread" } : undefined,
		);
		onLoad({ filter: /./, namespace: "main-thread" }, () => ({
			contents: "exports.isMainThread = true;",
		}));
	},
};

/** Leaves the parts to their own files. */
const separateParts: Plugin = {
	name: "separate-parts",
	setup({ onResolve }) {
		onResolve({ filter: /./ }, ({ path, kind, resolveDir }) => {
			const wanted = path.startsWith(".") ? relative(DIRECTORY, join(resolveDir, path)) : path;
			const part = Object.entries(PARTS).find((entry) => entry[1] === wanted)?.[0];
			return kind === "dynamic-import" && part !== undefined
				? { path: `./${partName(part)}`, external: true }
				: undefined;
		});
	},
};

const { "bundles-only": bundlesOnly } = parseArgs({
	options: { "bundles-only": { type: "boolean" } },
}).values;

mkdirSync(DIST, { recursive: true });
const command = [await commandFile("openclaw-sidecar.js", "src/cli/main.ts")];
for (const [name, path] of Object.entries(PARTS))
	command.push(requireExports(path, await commandFile(partName(name), path)));
const [, program] = command;
const sizeBytes = command.reduce((sum, file) => sum + file.sizeBytes, 0);
const metafiles = command.map(({ metafile }) => metafile);
if ((program?.sizeBytes ?? 0) > PROGRAM_LIMIT_BYTES || sizeBytes > COMMAND_LIMIT_BYTES) {
	throw new Error(
		`the command exceeds ${PROGRAM_LIMIT_BYTES} bytes at a start, or ${COMMAND_LIMIT_BYTES} together; largest parts:\n${largestParts(metafiles)}`,
	);
}
replaceFile(join(DIST, "LICENSES.txt"), Buffer.from(licences(metafiles)), 0o644);
// A thread and a process of their own, for both of the others.
await bundle("write-worker.mjs", {
	entryPoints: ["src/restore/write-worker.ts"],
	minify: true,
	external: ["koffi"],
});
await bundle("read-database.mjs", { entryPoints: ["src/library/read-database.ts"], minify: true });
await bundle("index.js", { entryPoints: ["src/index.ts"], packages: "external" });
if (!bundlesOnly) {
	declare();
	await describe();
	// Another package, which is not there in the image's build.
	const page = new URL("../ui/build.ts", import.meta.url).href;
	await ((await import(page)) as { buildUi(): Promise<void> }).buildUi();
}

function partName(name: string): string {
	return `openclaw-sidecar-${name}.mjs`;
}

/** A package in CommonJS has no names to import. Let a module of ours export those that are used. */
function requireExports<File extends { metafile: Metafile }>(path: string, file: File): File {
	const names = Object.values(file.metafile.outputs).flatMap((output) => output.exports);
	if (names.some((name) => name !== "default")) return file;
	throw new Error(`${path} exports no name in the build`);
}

async function commandFile(name: string, entry: string) {
	return await bundle(name, {
		entryPoints: [entry],
		minify: true,
		external: ["koffi"],
		// Its other form loads its files at run time.
		alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
		plugins: [withoutTransports, lazyBuiltins, separateParts],
		banner: { js: COMMAND_BANNER },
	});
}

async function bundle(
	name: string,
	options: BuildOptions,
): Promise<{ sizeBytes: number; metafile: Metafile }> {
	const { outputFiles, metafile } = await build({
		...COMMON,
		...options,
		outfile: join(DIST, name),
	});
	const contents = outputFiles?.[0]?.contents ?? new Uint8Array();
	replaceFile(join(DIST, name), contents);
	console.log(`dist/${name}  ${(contents.length / 1000).toFixed(0)} kB`);
	return { sizeBytes: contents.length, metafile: metafile as Metafile };
}

/** Whole or not at all: another process may be starting from the old file right now. */
function replaceFile(path: string, contents: Uint8Array, mode = 0o755): void {
	const next = `${path}.${process.pid}`;
	writeFileSync(next, contents);
	chmodSync(next, mode);
	renameSync(next, path);
}

function declare(): void {
	rmSync(join(DIST, "types"), { recursive: true, force: true });
	const tsc = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");
	execFileSync(process.execPath, [tsc, "--project", join(DIRECTORY, "tsconfig.build.json")], {
		stdio: "inherit",
	});
	console.log("dist/types");
}

/** From the table of commands, as `--help` is. Loaded last, because it is not needed otherwise. */
async function describe(): Promise<void> {
	const { manPage } = await import("./src/cli/man.ts");
	const { ABOUT, COMMANDS } = await import("./src/cli/program.ts");
	mkdirSync(join(DIST, "man"), { recursive: true });
	const page = Buffer.from(manPage(ABOUT, COMMANDS, manifest.version));
	replaceFile(join(DIST, "man/openclaw-sidecar.1"), page, 0o644);
	console.log("dist/man");
}

/** Of every package in the bundle: their licences ask that copies hold them. */
function licences(metafiles: readonly Metafile[]): string {
	const titlesByText = new Map<string, string[]>();
	const directories = metafiles
		.flatMap(({ inputs }) => Object.keys(inputs))
		.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []);
	for (const directory of new Set(directories)) {
		const place = join(DIRECTORY, directory);
		const about = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
		const file = readdirSync(place).find((name) => /^licen[cs]e(?:\.|$)/i.test(name));
		const text = file === undefined ? "" : readFileSync(join(place, file), "utf8").trim();
		const title = `${about.name} ${about.version}: ${about.license}`;
		titlesByText.set(text, [...(titlesByText.get(text) ?? []), title]);
	}
	const sections = [...titlesByText].map(([text, titles]) =>
		`${titles.sort().join("\n")}\n\n${text}`.trim(),
	);
	const line = `\n\n${"-".repeat(80)}\n\n`;
	return `The command contains these packages.${line}${sections.sort().join(line)}\n`;
}

function largestParts(metafiles: readonly Metafile[]): string {
	const sizes = new Map<string, number>();
	const outputs = metafiles.flatMap((metafile) => Object.values(metafile.outputs));
	for (const [path, { bytesInOutput }] of outputs.flatMap(({ inputs }) => Object.entries(inputs))) {
		const part = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path;
		sizes.set(part, (sizes.get(part) ?? 0) + bytesInOutput);
	}
	const sorted = [...sizes].sort(([, a], [, b]) => b - a).slice(0, 15);
	return sorted.map(([part, bytes]) => `${String(bytes).padStart(9)}  ${part}`).join("\n");
}
