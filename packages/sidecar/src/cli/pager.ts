/**
 * Shows a command's result with a pager, as Git does: only on a terminal, with `$PAGER`, by default
 * `less`. A pager that cannot be started is no error, and neither is one that is left early.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Context } from "./command.ts";
import type { Display } from "./display.ts";

/** Quit if the result fits the screen, pass colours through, leave the result on the screen. */
const LESS = "FRX";

/**
 * Runs a command's printing. The signal is aborted when the reader leaves the pager; what `print`
 * then throws is no failure.
 */
export async function paged(
	{ config, out }: Pick<Context, "config" | "out">,
	display: Display,
	print: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
	const left = new AbortController();
	const pager =
		display.isTerminal && config.pager && !config.json ? await startPager(process.env) : undefined;
	if (pager?.stdin == null) return await print(left.signal);
	// Ctrl-C is for the pager: it stops its search, or ends.
	const ignore = () => {};
	process.on("SIGINT", ignore);
	const ended = once(pager, "close").then(() => left.abort());
	const terminal = out.redirect(pager.stdin);
	try {
		return await print(left.signal);
	} catch (error) {
		if (left.signal.aborted) return 0;
		throw error;
	} finally {
		// Also what came before a failure.
		await out.flush();
		out.redirect(terminal);
		pager.stdin.end();
		await ended;
		process.off("SIGINT", ignore);
	}
}

async function startPager(env: NodeJS.ProcessEnv): Promise<ChildProcess | undefined> {
	const { PAGER: command = "less", TERM } = env;
	const words = command.trim().split(/\s+/);
	const [file = ""] = words;
	if (file === "" || command.trim() === "cat" || TERM === "dumb") return undefined;
	// What a shell would only split into words needs none, and its absence is known at once.
	const isPlain = /^[\w./+=\s-]+$/.test(command) && !file.includes("=");
	const [program, ...args] = isPlain ? words : ["/bin/sh", "-c", command];
	const { spawn } = await import("node:child_process");
	const child = spawn(program as string, args, {
		stdio: ["pipe", "inherit", "inherit"],
		env: { LESS, LV: "-c", ...env },
	});
	const isStarted = await Promise.race([
		once(child, "spawn").then(() => true),
		once(child, "error").then(() => false),
	]).catch(() => false);
	return isStarted ? child : undefined;
}
