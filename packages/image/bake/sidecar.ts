/**
 * Runs the sidecar once, up to the state before a machine's first request: listening, pinged, with
 * all modules of a start loaded. The code that V8 compiled stays in the image, so a machine answers
 * its first ping sooner. Needs no network.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { leaveReadable } from "./compile-cache.ts";

const CACHE = "/opt/openclaw-sidecar/compile-cache";
const STORE = ["--store", "s3://not-asked/for", "--region", "us-east-1"];

// Without it, the sidecar is less exact and logs a warning that nobody reads during a build.
await import(pathToFileURL("/opt/openclaw-sidecar/node_modules/koffi/index.js").href);

mkdirSync(CACHE);
const sidecar = spawn(
	"/usr/local/bin/openclaw-sidecar",
	["run", "--listen", "127.0.0.1:0", ...STORE, "--", "true"],
	{
		stdio: ["ignore", "inherit", "pipe"],
	},
);
let log = "";
sidecar.stderr.setEncoding("utf8").on("data", (text: string) => {
	log += text;
});
const exited = once(sidecar, "exit");

const port = await listening();
for (const path of ["ping", "status", "ping"]) {
	const response = await fetch(`http://127.0.0.1:${port}/${path}`);
	if (response.status !== 200) throw new Error(`/${path} answers ${response.status}`);
	await response.arrayBuffer();
}
sidecar.kill("SIGTERM");
const [status] = await exited;
if (status !== 0) throw new Error(`the sidecar ended with status ${status}\n${log}`);
leaveReadable(CACHE, 0);

async function listening(): Promise<number> {
	for (;;) {
		const line = log
			.split("\n")
			.find((text) => text.endsWith("}") && text.includes('"server.listening"'));
		if (line !== undefined) return (JSON.parse(line) as { readonly port: number }).port;
		const isOver = await Promise.race([
			once(sidecar.stderr, "data").then(() => false),
			exited.then(() => true),
		]);
		if (isOver) throw new Error(`the sidecar ended before it listened\n${log}`);
	}
}
