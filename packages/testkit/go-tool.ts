/**
 * Programs that tests need, from the Go module proxy: each is built once into `.cache/bin`. If several
 * processes need one, one builds it and the others wait.
 */
import { spawn } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../../.cache/bin/", import.meta.url));

export interface GoTool {
	readonly module: string;
	readonly version: string;
	/** The package to build, below the module. Default: the module itself. */
	readonly main?: string;
	/** For people who wait, with the time: `the S3 test server (MinIO …): once, 3 to 8 minutes`. */
	readonly what: string;
}

/** The reason why a tool is not there; the message is one readable line. */
export class GoToolUnavailable extends Error {}

/** Path of the program, built if necessary. @throws GoToolUnavailable */
export async function goTool(tool: GoTool): Promise<string> {
	const program = join(CACHE, `${nameOf(tool)}-${tool.version}`);
	const lock = `${program}.lock`;
	await mkdir(CACHE, { recursive: true });
	let isTold = false;
	while (!(await exists(program))) {
		if (await takeLock(lock)) {
			try {
				await build(tool, program);
			} finally {
				await rm(lock, { force: true });
			}
		} else {
			if (!isTold) console.log(`waiting for another process that builds ${tool.what}`);
			isTold = true;
			await sleep(500);
		}
	}
	return program;
}

function nameOf({ module, main }: GoTool): string {
	return basename(main ?? module);
}

/** False while a live process holds it. */
async function takeLock(lock: string): Promise<boolean> {
	const holder = Number(await readFile(lock, "utf8").catch(() => ""));
	if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true });
	try {
		await writeFile(lock, String(process.pid), { flag: "wx" });
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
		return false;
	}
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}

/** In the module itself, with the versions and checksums of its authors. */
async function build({ module, version, main = ".", what }: GoTool, program: string) {
	const bin = await mkdtemp(join(CACHE, ".build-"));
	try {
		const downloaded = await go(["mod", "download", "-json", `${module}@${version}`], bin);
		const { Dir } = JSON.parse(downloaded) as { readonly Dir: string };
		console.log(`building ${what}`);
		const built = join(bin, "program");
		const flags = ["-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", built];
		await go(["build", ...flags, `./${main}`], Dir);
		await rename(built, program);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
		throw new GoToolUnavailable(
			`Go is missing, which builds ${what}: install Go 1.25 or later (https://go.dev/dl)`,
		);
	} finally {
		await rm(bin, { recursive: true, force: true });
	}
}

/** @returns what it prints. @throws GoToolUnavailable with the end of it */
async function go(args: readonly string[], cwd: string): Promise<string> {
	const child = spawn("go", args, {
		cwd,
		env: { ...process.env, GOWORK: "off", CGO_ENABLED: "0" },
		stdio: ["ignore", "pipe", "pipe"],
	});
	let output = "";
	let errors = "";
	child.stdout.on("data", (part: Buffer) => {
		output += part.toString();
	});
	child.stderr.on("data", (part: Buffer) => {
		errors = (errors + part.toString()).slice(-10_000);
	});
	const code = await new Promise<number | null>((resolve, reject) => {
		child.once("error", reject);
		child.once("close", resolve);
	});
	if (code !== 0)
		throw new GoToolUnavailable(
			`\`go ${args.join(" ")}\` failed: ${(errors + output).trim().slice(-500)}`,
		);
	return output;
}

async function exists(path: string): Promise<boolean> {
	return await access(path).then(
		() => true,
		() => false,
	);
}
