import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";

const LAUNCHER = new URL("./openclaw-sidecar.mjs", import.meta.url).pathname;
const ECHO = `console.log(JSON.stringify({ argv: process.argv.slice(2), pid: process.pid }));\n`;

/**
 * A package directory with the real launcher; each test puts its own command or build beside it.
 */
let directory: string;

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "launcher-"));
	await mkdir(join(directory, "bin"));
	await mkdir(join(directory, "dist"));
	await writeFile(join(directory, "package.json"), '{"type":"module"}');
	await copyFile(LAUNCHER, join(directory, "bin/openclaw-sidecar.mjs"));
});

afterEach(() => rm(directory, { recursive: true }));

const provide = (path: string, content: string) => writeFile(join(directory, path), content);

function launch(
	args: readonly string[],
	env: NodeJS.ProcessEnv = {},
): ChildProcess & { readonly stdout: NodeJS.ReadableStream } {
	const child = spawn(process.execPath, [join(directory, "bin/openclaw-sidecar.mjs"), ...args], {
		env: { HOME: directory, ...env },
		stdio: ["ignore", "pipe", "pipe"],
	});
	return child as ReturnType<typeof launch>;
}

async function outcome(child: ChildProcess) {
	const [stdout, stderr, [code, signal]] = await Promise.all([
		text(child.stdout!),
		text(child.stderr!),
		once(child, "exit"),
	]);
	return { stdout, stderr, code, signal };
}

test("runs the command in its own process, with the arguments as they are", async () => {
	await provide("dist/openclaw-sidecar.js", ECHO);
	const child = launch(["run", "--", "a b", ""]);
	const { stdout, stderr, code } = await outcome(child);
	expect(JSON.parse(stdout)).toEqual({ argv: ["run", "--", "a b", ""], pid: child.pid });
	expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
});

test("the exit status is the command's", async () => {
	await provide("dist/openclaw-sidecar.js", "process.exitCode = 6;\n");
	expect((await outcome(launch([]))).code).toBe(6);
});

test("signals reach the command, and death by signal shows", async () => {
	await provide(
		"dist/openclaw-sidecar.js",
		`process.on("SIGTERM", () => process.exit(4)); setInterval(() => {}, 1000); console.log("up");\n`,
	);
	const handling = launch([]);
	await once(handling.stdout, "data");
	handling.kill("SIGTERM");
	expect(await once(handling, "exit")).toEqual([4, null]);

	const dying = launch([]);
	await once(dying.stdout, "data");
	dying.kill("SIGINT");
	expect(await once(dying, "exit")).toEqual([null, "SIGINT"]);
});

test("builds a checkout that was never built, with nothing of that on stdout", async () => {
	const build = `import { writeFileSync } from "node:fs";
		const text: string = ${JSON.stringify(ECHO)};
		console.log("building", ...process.argv.slice(2));
		writeFileSync(new URL("dist/openclaw-sidecar.js", import.meta.url), text);`;
	await provide("build.ts", build);
	const { stdout, stderr } = await outcome(launch(["status"]));
	expect(JSON.parse(stdout)).toMatchObject({ argv: ["status"] });
	expect(stderr).toBe("building --bundles-only\n");
});

test("says so if the build fails, or if there is nothing to build", async () => {
	await provide("build.ts", "process.exit(1);");
	expect(await outcome(launch([]))).toMatchObject({
		code: 2,
		stderr: "openclaw-sidecar: could not be built\n",
	});
	await rm(join(directory, "build.ts"));
	expect(await outcome(launch([]))).toMatchObject({
		code: 2,
		stderr: expect.stringContaining("is missing; install the package again"),
	});
});

test("as a script of a clone, starts in the directory from which pnpm was called", async () => {
	const own = join(directory, "packages/sidecar");
	await mkdir(join(own, "bin"), { recursive: true });
	await mkdir(join(own, "dist"));
	await mkdir(join(directory, "elsewhere"));
	await copyFile(LAUNCHER, join(own, "bin/openclaw-sidecar.mjs"));
	await provide("packages/sidecar/build.ts", "");
	await provide("packages/sidecar/dist/openclaw-sidecar.js", "console.log(process.cwd());\n");
	const startedIn = async (cwd: string, script: string) => {
		const child = spawn(process.execPath, [join(own, "bin/openclaw-sidecar.mjs")], {
			cwd,
			env: {
				HOME: directory,
				INIT_CWD: join(directory, "elsewhere"),
				npm_lifecycle_event: script,
			},
			stdio: ["ignore", "pipe", "pipe"],
		});
		return (await outcome(child)).stdout.trim();
	};
	expect(await startedIn(directory, "openclaw-sidecar")).toBe(join(directory, "elsewhere"));
	// Another script, and a process that has chosen its own directory since.
	expect(await startedIn(directory, "test")).toBe(directory);
	expect(await startedIn(own, "openclaw-sidecar")).toBe(own);
});

test("caches compiled code where only the user can write, and does without where there is no home", async () => {
	await provide("dist/openclaw-sidecar.js", ECHO);
	expect((await outcome(launch([], { XDG_CACHE_HOME: join(directory, "cache") }))).code).toBe(0);
	expect(await readdir(join(directory, "cache/openclaw-sidecar"))).toHaveLength(1);
	const temporary = join(directory, "tmp");
	await mkdir(temporary);
	expect((await outcome(launch([], { HOME: undefined, TMPDIR: temporary }))).code).toBe(0);
	expect(await readdir(temporary)).toEqual([]);
});
