/**
 * The npm package as a stranger gets it: packed by npm, installed from the tarball into an empty
 * project with npm alone, run, and compiled against.
 *
 * Needs the npm registry for the dependencies; without it, the tests of the installed package are
 * skipped, except with CI=true.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
	copyFileSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const PACKAGE = join(import.meta.dirname, "..");
const ROOT = join(PACKAGE, "../..");
const manifest = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
/** The Node of this run for npm and for the command. */
const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);

let scratch: string;
let tarball: string;
let files: readonly string[];

beforeAll(() => {
	scratch = mkdtempSync(join(tmpdir(), "sidecar-package-"));
	const packed = call(PACKAGE, "npm", "pack", "--json", "--silent", "--pack-destination", scratch);
	// `prepack` writes before it.
	const [report] = JSON.parse(packed.slice(packed.lastIndexOf("\n[\n") + 1));
	tarball = join(scratch, report.filename);
	files = report.files.map(({ path }: { path: string }) => path).sort();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("the tarball", () => {
	test("holds these files, and declarations of the library alone", () => {
		const isDeclaration = (path: string) => path.startsWith("dist/types/");
		// Named by their content.
		const isPageAsset = (path: string) => /^dist\/ui\/assets\/[\w-]+\.(?:js|css)$/.test(path);
		expect(files.filter((path) => !isDeclaration(path) && !isPageAsset(path))).toEqual([
			"CHANGELOG.md",
			"LICENSE",
			"README.md",
			"bin/openclaw-sidecar.mjs",
			"dist/LICENSES.txt",
			"dist/index.js",
			"dist/man/openclaw-sidecar.1",
			"dist/openclaw-sidecar-aws-config.mjs",
			"dist/openclaw-sidecar-credentials.mjs",
			"dist/openclaw-sidecar-dates.mjs",
			"dist/openclaw-sidecar-model-signature.mjs",
			"dist/openclaw-sidecar-program.mjs",
			"dist/openclaw-sidecar-s3-upload.mjs",
			"dist/openclaw-sidecar-tokens.mjs",
			"dist/openclaw-sidecar-watcher.mjs",
			"dist/openclaw-sidecar.js",
			"dist/read-database.mjs",
			"dist/ui/LICENSES.md",
			"dist/ui/index.html",
			"dist/write-worker.mjs",
			"package.json",
		]);
		const declared = files.filter(isDeclaration);
		expect(declared).toContain("dist/types/index.d.ts");
		expect(declared.filter((path) => !path.endsWith(".d.ts") || path.includes("/cli/"))).toEqual(
			[],
		);
	});

	test("has the licence and the changes of the repository", () => {
		const text = (path: string) => call(scratch, "tar", "-xOf", tarball, `package/${path}`);
		expect(text("LICENSE")).toBe(readFileSync(join(ROOT, "LICENSE"), "utf8"));
		const bundled = text("dist/LICENSES.txt");
		for (const name of ["commander", "@aws-sdk/client-s3", "@clack/prompts", "hono"])
			expect(bundled).toMatch(new RegExp(`^${name} [\\d.]+: (?:MIT|Apache-2.0)$`, "m"));
		const changes = text("CHANGELOG.md");
		const own = readdirSync(join(ROOT, "changelog/unreleased")).map((file) =>
			readFileSync(join(ROOT, "changelog/unreleased", file), "utf8"),
		);
		expect(own.length).toBeGreaterThan(0);
		for (const change of own) expect(changes).toContain(change.replace(/^Kind:.*\n\n/, "").trim());
	});

	test("passes publint", async () => {
		const { messages } = await publint({ pkgDir: PACKAGE, strict: true, pack: "npm" });
		expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
	});

	test("has types that resolve in Node and in bundlers", () => {
		const attw = createRequire(import.meta.url).resolve("@arethetypeswrong/cli/package.json");
		const args = [join(attw, "../dist/index.js"), tarball, "--profile", "esm-only", "--no-emoji"];
		const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
		expect(status, stdout).toBe(0);
	});

	test("says what it needs", () => {
		expect(manifest).toMatchObject({
			license: "Apache-2.0",
			engines: { node: ">=24" },
			os: ["linux"],
			publishConfig: { access: "public", provenance: true },
		});
		expect(manifest.keywords).toContain("openclaw");
		// Every package that the library imports is a dependency.
		const library = readFileSync(join(PACKAGE, "dist/index.js"), "utf8");
		const imported = [...library.matchAll(/\b(?:from ?|import\()"((?:@[^/"]+\/)?[^/":]+)/g)]
			.map(([, name]) => name as string)
			.filter((name) => name !== "node");
		const needed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
		expect(needed).toEqual(expect.arrayContaining([...new Set(imported)]));
	});
});

const isReachable = () =>
	spawnSync("npm", ["view", "koffi", "version"], { timeout: 30_000 }).status === 0;
const isRequired = process.env.CI === "true";

describe.skipIf(!isRequired && !isReachable())("installed with npm alone", () => {
	let project: string;
	const run = (...args: readonly string[]) =>
		call(project, "npx", "--no-install", "openclaw-sidecar", ...args);

	beforeAll(() => {
		project = join(scratch, "project");
		mkdirSync(project);
		writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
		call(project, "npm", "install", "--no-audit", "--no-fund", tarball);
	});

	test("the command sets itself up, stores a directory and restores it elsewhere", () => {
		expect(run("--version")).toBe(`${manifest.version}\n`);
		mkdirSync(join(project, "ws"));
		writeFileSync(join(project, "ws/MEMORY.md"), "hello\n");
		const store = `file://${project}/store`;
		const shown = run("init", "--yes", "--workspace", "ws", "--store", store);
		expect(shown).toContain("all is well");
		// With koffi, which npm installs.
		expect(shown).not.toContain("WARNING");
		expect(shown).toContain("npx openclaw-sidecar run -- YOUR-AGENT");
		run("flush");
		run("restore", "--workspace", "elsewhere");
		expect(readFileSync(join(project, "elsewhere/MEMORY.md"), "utf8")).toBe("hello\n");
	});

	test("a program in TypeScript compiles against it, strictly, and runs", () => {
		copyFileSync(join(ROOT, "examples/library/look-back.ts"), join(project, "program.ts"));
		const options = {
			module: "nodenext",
			target: "es2024",
			strict: true,
			noEmit: true,
			types: ["node"],
		};
		writeFileSync(
			join(project, "tsconfig.json"),
			JSON.stringify({ compilerOptions: options, files: ["program.ts"] }),
		);
		call(project, "npm", "install", "--no-audit", "--no-fund", "typescript@5.9", "@types/node@24");
		expect(
			spawnSync("npx", ["--no-install", "tsc"], {
				cwd: project,
				env: { ...process.env, PATH },
				encoding: "utf8",
			}),
		).toMatchObject({ status: 0, stdout: "" });
		writeFileSync(join(project, "ws/MEMORY.md"), "changed\n");
		run("flush");
		const look = (...args: readonly string[]) =>
			spawnSync(process.execPath, ["program.ts", ...args], { cwd: project, encoding: "utf8" });
		expect(look(`file://${project}/store`, "MEMORY.md")).toMatchObject({
			status: 0,
			stdout: expect.stringMatching(
				/^commit \d+, \S+: changed by \S+\ncommit \d+, \S+: created by \S+\nin commit \d+:\nhello\n$/,
			),
		});
		expect(look("ftp://nowhere")).toMatchObject({
			status: 2,
			stderr: expect.stringMatching(/^STORE_URL_INVALID: /),
		});
	});
});

function call(cwd: string, program: string, ...args: readonly string[]): string {
	return execFileSync(program, args, {
		cwd,
		encoding: "utf8",
		env: { ...process.env, PATH, HOME: scratch },
		stdio: ["ignore", "pipe", "inherit"],
	});
}
