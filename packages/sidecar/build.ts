/**
 * Builds `dist`: the command as one file without dependencies, the library with its declarations.
 * `--bundles-only` leaves the declarations out.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";

/** Budget of the design: what is loaded at every start stays small. */
const COMMAND_LIMIT_BYTES = 3_000_000;

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
import { createRequire as __createRequire } from "node:module";
const require = __createRequire(import.meta.url);`;

/**
 * Loads a module of Node when the first module that imports it runs. As an import of the bundle it
 * would be loaded at every start, `--version` included, and with it whatever its exports load when
 * they are listed: `node:http` brings all of undici (40 ms). Only the names that somebody imports
 * are looked up.
 */
const lazyBuiltins: Plugin = {
	name: "lazy-builtins",
	setup({ onResolve, onLoad }) {
		onResolve({ filter: /./ }, ({ path, kind }) => {
			const isBuiltin = path.startsWith("node:") || builtinModules.includes(path);
			return kind === "import-statement" && isBuiltin ? { path, namespace: "builtin" } : undefined;
		});
		onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => {
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

const { "bundles-only": bundlesOnly } = parseArgs({
	options: { "bundles-only": { type: "boolean" } },
}).values;

mkdirSync(DIST, { recursive: true });
const command = await bundle("openclaw-sidecar.js", {
	entryPoints: ["src/cli/main.ts"],
	minify: true,
	external: ["koffi"],
	plugins: [lazyBuiltins],
	banner: { js: COMMAND_BANNER },
});
if (command.sizeBytes > COMMAND_LIMIT_BYTES) {
	throw new Error(
		`the command exceeds ${COMMAND_LIMIT_BYTES} bytes; largest parts:\n${largestParts(command.metafile)}`,
	);
}
await bundle("index.js", { entryPoints: ["src/index.ts"], packages: "external" });
if (!bundlesOnly) declare();

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
function replaceFile(path: string, contents: Uint8Array): void {
	const next = `${path}.${process.pid}`;
	writeFileSync(next, contents);
	chmodSync(next, 0o755);
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

function largestParts({ outputs }: Metafile): string {
	const sizes = new Map<string, number>();
	for (const [path, { bytesInOutput }] of Object.values(outputs).flatMap((output) =>
		Object.entries(output.inputs),
	)) {
		const part = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path;
		sizes.set(part, (sizes.get(part) ?? 0) + bytesInOutput);
	}
	const sorted = [...sizes].sort(([, a], [, b]) => b - a).slice(0, 15);
	return sorted.map(([part, bytes]) => `${String(bytes).padStart(9)}  ${part}`).join("\n");
}
