/** OpenClaw itself: installs it, configures it for a fake model, and lets it take turns. */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import imagePackage from "../../image/openclaw/package.json" with { type: "json" };
import { seconds } from "../format.ts";
import { freePort } from "../free-port.ts";
import { run } from "../processes.ts";
import { type Agent, answers, ONE_USE } from "./agent.ts";
import { type FakeModel, startFakeModel } from "./fake-model.ts";
import { openClawConfig } from "./openclaw-config.ts";

/** The version that demo, tests and image use. */
const VERSION = imagePackage.dependencies.openclaw;
const SERIES = /^OpenClaw 2026\.9\./;
const CACHE = join(import.meta.dirname, "../../../.cache/openclaw");
const PARTIAL = `${CACHE}.partial-${process.pid}`;
const NEEDED_BYTES = 1_500_000_000;
const INSTALL_LIMIT_MS = 180_000;
/** Without these scripts, it installs but does not start. */
const ALLOWED_SCRIPTS = ["openclaw", "koffi", "protobufjs", "@google/genai"];

/** Settings that keep it from reaching the network. */
export const OPENCLAW_ENV: Readonly<Record<string, string>> = {
	// In the installation's directory; otherwise every run compiles 330 packages again.
	NODE_COMPILE_CACHE: join(dirname(CACHE), "openclaw-compile-cache"),
	OPENCLAW_OFFLINE: "1",
	OPENCLAW_NO_AUTO_UPDATE: "1",
	OPENCLAW_DISABLE_BONJOUR: "1",
	OPENCLAW_SKIP_CHANNELS: "1",
};

/** Absolute directories that it uses outside its state directory. */
export const OPENCLAW_SCRATCH: readonly string[] = [
	"/tmp/openclaw",
	`/tmp/openclaw-state-locks-${process.getuid?.() ?? 0}`,
];

export interface Installed {
	readonly kind: "installed";
	readonly bin: string;
	readonly version: string;
}

export interface Missing {
	readonly kind: "missing";
	readonly reason: string;
}

/** An existing installation, by an earlier run or by the user. */
export async function findOpenClaw(): Promise<Installed | Missing> {
	const problem = nodeProblem();
	if (problem !== undefined) return { kind: "missing", reason: problem };
	const places = (process.env.PATH ?? "").split(delimiter).filter((place) => place.startsWith("/"));
	for (const bin of [binOf(CACHE), ...places.map((place) => join(place, "openclaw"))]) {
		if (!existsSync(bin)) continue;
		const version = await versionOf(bin);
		if (version !== undefined && SERIES.test(version)) return { kind: "installed", bin, version };
	}
	return { kind: "missing", reason: "OpenClaw 2026.9.x is not installed" };
}

/** An existing installation, or a new one. */
export async function findOrInstallOpenClaw(
	say: (text: string) => void,
): Promise<Installed | Missing> {
	const here = await findOpenClaw();
	return here.kind === "installed" ? here : await installOpenClaw(say);
}

/** Installs the pinned version into the repository's cache: 40 s, 650 MB. */
export async function installOpenClaw(say: (text: string) => void): Promise<Installed | Missing> {
	const missing = (reason: string): Missing => ({ kind: "missing", reason });
	const problem = nodeProblem();
	if (problem !== undefined) return missing(problem);
	mkdirSync(dirname(CACHE), { recursive: true });
	const { bavail, bsize } = statfsSync(dirname(CACHE));
	if (bavail * bsize < NEEDED_BYTES) return missing(`it needs ${NEEDED_BYTES / 1e9} GB of disk`);

	const env = environment();
	// Asks the registry a quick question first: an install without a registry retries for minutes.
	const known = await run(
		["npm", "view", `openclaw@${VERSION}`, "version", "--fetch-retries=0", "--fetch-timeout=10000"],
		env,
		20_000,
	).catch(asFailure);
	if (known.status === 127) return missing("there is no npm here");
	if (known.status !== 0)
		return missing(
			`the npm registry ${known.stderr.includes("E404") ? `does not have openclaw@${VERSION}` : "does not answer"}`,
		);

	const started = performance.now();
	say(
		`installing openclaw@${VERSION} into .cache/openclaw, once: 650 MB, about 40 s (\`pnpm demo --generated\` does without)`,
	);
	try {
		mkdirSync(PARTIAL, { recursive: true });
		const allowScripts = Object.fromEntries(ALLOWED_SCRIPTS.map((name) => [name, true]));
		writeFileSync(
			join(PARTIAL, "package.json"),
			JSON.stringify({ private: true, dependencies: { openclaw: VERSION }, allowScripts }),
		);
		const installed = await run(
			["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
			env,
			INSTALL_LIMIT_MS,
			PARTIAL,
		);
		if (installed.status !== 0)
			return missing(`npm install failed: ${installed.stderr.trim().slice(-500)}`);
		const version = await versionOf(binOf(PARTIAL));
		if (version === undefined) return missing("it was installed, but does not run");
		rmSync(CACHE, { recursive: true, force: true });
		renameSync(PARTIAL, CACHE);
		say(`installed in ${seconds(performance.now() - started)}`);
		return { kind: "installed", bin: binOf(CACHE), version };
	} catch (error) {
		return missing((error as Error).message);
	} finally {
		removePartialInstall();
	}
}

/** Leftovers of an interrupted install. */
export function removePartialInstall(): void {
	rmSync(PARTIAL, { recursive: true, force: true, maxRetries: 10 });
}

export async function openClawAgent(
	{ bin, version }: Installed,
	model?: FakeModel,
): Promise<Agent & { readonly url: string; readonly token: string }> {
	model ??= await startFakeModel();
	const port = await freePort();
	const token = randomBytes(16).toString("hex");
	const url = `http://127.0.0.1:${port}`;
	return {
		url,
		token,
		name: `${version} with a fake model on the loopback interface`,
		scratch: OPENCLAW_SCRATCH,
		env: OPENCLAW_ENV,
		shown: "openclaw gateway run",
		command: () => [
			process.execPath,
			bin,
			"gateway",
			"run",
			"--port",
			String(port),
			"--bind",
			"loopback",
		],
		async prepare(stateDirectory) {
			mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
			writeFileSync(
				join(stateDirectory, "openclaw.json"),
				openClawConfig({ port, token, modelUrl: model.url, modelId: model.id }),
				{
					mode: 0o600,
				},
			);
			return "openclaw.json; the gateway makes the rest";
		},
		ready: async (process) => await answers(`${url}/readyz`, process, 300_000),
		async turn(text) {
			const response = await fetch(`${url}/v1/chat/completions`, {
				method: "POST",
				headers: {
					...ONE_USE,
					authorization: `Bearer ${token}`,
					"content-type": "application/json",
				},
				body: JSON.stringify({
					model: "openclaw/default",
					user: "anna",
					messages: [{ role: "user", content: text }],
				}),
				signal: AbortSignal.timeout(180_000),
			});
			if (response.status !== 200)
				throw new Error(
					`the turn failed with HTTP ${response.status}: ${(await response.text()).slice(0, 500)}`,
				);
			await response.arrayBuffer();
			return { messages: model.messageCounts.at(-1) ?? 0 };
		},
		close: () => model.close(),
	};
}

/** OpenClaw's requirement: >=24.16.0 <25, or >=26.1.0. */
function nodeProblem(): string | undefined {
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	const isFit = (major === 24 && minor >= 16) || (major === 26 && minor >= 1) || major > 26;
	return isFit
		? undefined
		: `OpenClaw needs Node 24.16 or newer, this is ${process.versions.node}; \`pnpm demo\` brings its own`;
}

const binOf = (directory: string) => join(directory, "node_modules/.bin/openclaw");

async function versionOf(bin: string): Promise<string | undefined> {
	const { status, stdout } = await run(
		[process.execPath, bin, "--version"],
		environment(),
		30_000,
	).catch(asFailure);
	return status === 0 ? stdout.toString().trim().split(" (")[0] : undefined;
}

/**
 * npm and OpenClaw get this same Node, whatever else is installed. npm also gets the user's
 * settings: a registry, a proxy.
 */
function environment(): Record<string, string> {
	const kept = Object.entries(process.env).filter(([name]) =>
		/^(HOME|LANG|TMPDIR|.*_proxy|npm_config_(registry|userconfig|globalconfig|cafile|cache)|NODE_EXTRA_CA_CERTS|SSL_CERT_.*)$/i.test(
			name,
		),
	);
	const env = Object.fromEntries(kept) as Record<string, string>;
	return { ...env, PATH: [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter) };
}

function asFailure(error: unknown): { status: number; stdout: Buffer; stderr: string } {
	const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
	return { status: isAbsent ? 127 : 1, stdout: Buffer.alloc(0), stderr: String(error) };
}
