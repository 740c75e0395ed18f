/**
 * Where peers come from: the Go module proxy, crates.io, PyPI, or the system. Built or installed
 * once into the ignored `.cache/bench`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "./cache.ts";

const BIN = join(CACHE, "bin");

export interface Origin {
	readonly program: string;
	/** For readers who want it. */
	readonly howToGet: string;
	/** @throws with the reason if it is not there, or not the right one */
	check(): void;
	/** Only for what this bench may install. @throws with the reason */
	install?(): void;
}

/** In a module of its own that pins the version. @param main the package to build */
export function goModule(module: string, version: string, main: string): Origin {
	const program = join(
		BIN,
		`${main.split("/").findLast((part) => !/^v\d+$/.test(part))}-${version}`,
	);
	return {
		program,
		howToGet: `go install ${main}@${version}`,
		check: () => present(program),
		install: () =>
			inScratch((directory) => {
				writeFileSync(
					join(directory, "go.mod"),
					`module bench.invalid/peers\n\ngo 1.24\n\nrequire ${module} ${version}\n`,
				);
				run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", "built", main], directory, {
					GOFLAGS: "-mod=mod",
					GOWORK: "off",
					CGO_ENABLED: "0",
				});
				renameSync(join(directory, "built"), program);
			}),
	};
}

/** Without the features that no restore uses. */
export function crate(name: string, version: string, binary: string): Origin {
	const program = join(BIN, `${binary}-${version}`);
	const args = ["install", name, "--version", version, "--locked", "--no-default-features"];
	return {
		program,
		howToGet: `cargo ${args.join(" ")}`,
		check: () => present(program),
		install: () =>
			inScratch((directory) => {
				run(["cargo", ...args, "--root", directory], directory);
				renameSync(join(directory, "bin", binary), program);
			}),
	};
}

/** In a virtual environment of its own. @param script in its `bin` */
export function pythonPackage(name: string, version: string, script: string): Origin {
	const directory = join(CACHE, `${name}-${version}`);
	const program = join(directory, "bin", script);
	return {
		program,
		howToGet: `python3 -m pip install ${name}==${version}`,
		check: () => present(program),
		install: () => {
			try {
				run(["python3", "-m", "venv", directory]);
				run([join(directory, "bin/pip"), "install", "--quiet", `${name}==${version}`]);
			} catch (error) {
				rmSync(directory, { recursive: true, force: true });
				throw error;
			}
		},
	};
}

/** Used as it is, if `--version` matches. */
export function installed(program: string, version: RegExp, howToGet: string): Origin {
	return {
		program,
		howToGet,
		check: () => {
			const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
			if (status !== 0) throw new Error(`${program} is not installed`);
			if (!version.test(stdout)) throw new Error(`${program} is ${stdout.trim()}`);
		},
	};
}

function present(program: string): void {
	if (!existsSync(program)) throw new Error("not built yet");
}

function inScratch(work: (directory: string) => void): void {
	mkdirSync(BIN, { recursive: true });
	const directory = mkdtempSync(join(CACHE, "build-"));
	try {
		work(directory);
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

function run(
	[file, ...args]: readonly [string, ...string[]],
	cwd = CACHE,
	env: Readonly<Record<string, string>> = {},
): void {
	const { status, stderr, error } = spawnSync(file, args, {
		cwd,
		env: { ...process.env, ...env },
		encoding: "utf8",
	});
	if (status !== 0) throw new Error((error?.message ?? stderr).trim().split("\n").at(-1));
}
