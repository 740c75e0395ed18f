import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { atMost } from "../budget.ts";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { measure, start as startProcess } from "../processes.ts";
import { milliseconds } from "../statistics.ts";
import { Daemon } from "../tool.ts";

const STARTS = 9;
/** The start time until `/ping`; the first log line of `run` stands for it. */
const START_MS = 300;
/** Of the process until the first byte of its first request leaves it. */
const FIRST_BYTE_MS = 120;
const VERBS = ["restore", "flush", "run"] as const;

const firstByteOf = (verb: string) => `\`${verb}\` until the first byte on the wire, ms`;
const FIRST_LINE = "first log line of `run`, ms";

export const start: Measurement = {
	name: "start",
	title: "From the start of the process to its first output",
	budgets: [
		...VERBS.map((verb) =>
			atMost(
				`start: \`${verb}\`, exec to the first byte on the wire`,
				firstByteOf(verb),
				FIRST_BYTE_MS,
				milliseconds,
			),
		),
		atMost("start: exec to the first log line of `run`", FIRST_LINE, START_MS, milliseconds),
	],
	run: async (lab) => {
		const home = lab.fresh("home");
		const workspace = lab.fresh("empty");
		mkdirSync(workspace);
		const cold: number[] = [];
		const version: number[] = [];
		const firstLine: number[] = [];
		const restored: number[] = [];
		const bare: number[] = [];
		for (let round = 0; round < STARTS; round++) {
			bare.push((await measure({ argv: [process.execPath, "-e", "0"], name: "node" })).wallMs);
			version.push((await measure(lab.tool.bare(["--version"], home))).wallMs);
			const place = lab.place(workspace, `start-${round}`);
			if (round === 0)
				rmSync(join(place.env.HOME ?? home, ".cache"), { recursive: true, force: true });
			const startedMs = performance.now();
			const daemon = new Daemon(startProcess(lab.tool.command("run", place)));
			const ms =
				(await daemon.event("watch.started")) &&
				(daemon.events[0]?.seenMs ?? Number.NaN) - startedMs;
			const ready = await daemon.event("fence.won");
			await daemon.stop();
			(round === 0 ? cold : firstLine).push(ms);
			if (round > 0) restored.push(ready.seenMs - startedMs);
		}
		const firstBytes: Record<string, number[]> = {};
		for (const verb of VERBS) {
			firstBytes[`\`${verb}\` until the first byte, cold compile cache, ms`] = [
				await firstByteMs(lab, verb, true),
			];
			const warm: number[] = [];
			for (let round = 0; round < STARTS; round++) warm.push(await firstByteMs(lab, verb, false));
			firstBytes[firstByteOf(verb)] = warm;
		}
		return {
			figures: {
				...firstBytes,
				[FIRST_LINE]: firstLine,
				"first log line with a cold compile cache, ms": cold,
				"`--version`, exec to exit, ms": version,
				"`node -e 0`, ms": bare,
				"exec to the open gate on an empty log (a LIST and a PUT), ms": restored,
			},
		};
	},
};

/**
 * From exec to the first byte that a store without TLS receives. It denies the request, so that the
 * process ends by itself, which writes its compile cache.
 */
async function firstByteMs(
	lab: Lab,
	verb: (typeof VERBS)[number],
	isCold: boolean,
): Promise<number> {
	let receivedMs: number | undefined;
	const server = createServer((socket) => {
		socket.on("error", () => {});
		socket.on("data", () => {
			receivedMs ??= performance.now();
			socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		});
	});
	await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
	const { port } = server.address() as { readonly port: number };
	const workspace = lab.fresh("workspace");
	mkdirSync(workspace);
	const place = lab.place(workspace, "first-byte", "plain", `http://127.0.0.1:${port}`);
	const command = lab.tool.command(verb, place);
	if (isCold) rmSync(join(command.env?.HOME ?? "", ".cache"), { recursive: true, force: true });
	const startedMs = performance.now();
	const child = startProcess(command);
	child.stdout?.resume();
	child.stderr?.resume();
	await once(child, "exit");
	server.close();
	if (receivedMs === undefined) throw new Error(`\`${verb}\` sent nothing`);
	return receivedMs - startedMs;
}
