import { readFileSync } from "node:fs";

/** Why a run ends: the user typed Ctrl-C, and the terminal told the agent too. */
export class ToldByTerminal extends Error {}

/**
 * Does a SIGINT come from the terminal, which sends it to its whole foreground group? Assumed true
 * if this process is in that group: the kernel does not report a signal's sender.
 */
export function isTypedInterrupt(signal: NodeJS.Signals, stat = ownStat): boolean {
	if (signal !== "SIGINT") return false;
	const text = stat();
	if (text === undefined) return process.stdin.isTTY === true;
	const [, , group, , terminal, foreground] = text.slice(text.lastIndexOf(") ") + 2).split(" ");
	return terminal !== "0" && group === foreground;
}

function ownStat(): string | undefined {
	try {
		return readFileSync("/proc/self/stat", "latin1");
	} catch {
		return undefined;
	}
}
