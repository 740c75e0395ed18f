/**
 * Local Secrets Manager, SQS and KMS: moto's server, a Python program, installed once into its own
 * folder in `.cache`.
 *
 * Without Python with pip, or without a package index, the tests that need it are skipped with a
 * message. With CI=true that is an error.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../free-port.ts";
import { FAKE_CREDENTIALS } from "./table.ts";

const VERSION = "5.2.5";
const CACHE = fileURLToPath(new URL("../../../.cache/", import.meta.url));
const HOME = join(CACHE, `moto-${VERSION}`);
const START_MS = 60_000;

export interface Moto extends AsyncDisposable {
	readonly url: string;
}

/** Starts it on a free port and points the SDK at it; undefined if it is not available. */
export async function startMoto(): Promise<Moto | undefined> {
	try {
		await install();
	} catch (error) {
		const reason = (error as Error).message.trim().split("\n").at(-1);
		const message = `moto ${VERSION} cannot be installed: ${reason} (python3 with pip, and a package index, are needed)`;
		if (process.env.CI === "true") throw new Error(message);
		console.warn(`The tests against moto are SKIPPED: ${message}`);
		return undefined;
	}
	const port = await freePort();
	const args = ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)];
	const server = spawn("python3", args, {
		stdio: "ignore",
		env: { ...process.env, PYTHONPATH: HOME },
	});
	const url = `http://127.0.0.1:${port}`;
	const exited = once(server, "exit");
	const stop = async () => {
		server.kill("SIGKILL");
		await exited;
	};
	for (const deadline = Date.now() + START_MS; !(await isReady(url)); await wait(50)) {
		if (server.exitCode === null && Date.now() < deadline) continue;
		await stop();
		throw new Error(`moto does not answer at ${url}`);
	}
	Object.assign(process.env, FAKE_CREDENTIALS, { AWS_ENDPOINT_URL: url });
	return { url, [Symbol.asyncDispose]: stop };
}

/** All or nothing: an interrupted installation never counts as installed. */
async function install(): Promise<void> {
	if (existsSync(HOME)) return;
	const making = `${HOME}.${process.pid}`;
	const run = promisify(execFile);
	mkdirSync(CACHE, { recursive: true });
	try {
		console.log(`installing moto ${VERSION}: once, about a minute`);
		const packages = [`moto[kms,secretsmanager]==${VERSION}`, "flask==3.*", "flask-cors==6.*"];
		const options = [
			"--quiet",
			"--disable-pip-version-check",
			"--root-user-action=ignore",
			"--target",
			making,
		];
		await run("python3", ["-m", "pip", "install", ...options, ...packages]);
		// Another process may have been faster.
		if (!existsSync(HOME)) renameSync(making, HOME);
	} finally {
		rmSync(making, { recursive: true, force: true });
	}
}

async function isReady(url: string): Promise<boolean> {
	const response = await fetch(`${url}/moto-api/`, { signal: AbortSignal.timeout(1_000) }).catch(
		() => undefined,
	);
	await response?.body?.cancel();
	return response?.ok === true;
}
