import { printable } from "../errors.ts";
import type { Turn } from "../log/turns.ts";
import type { AboutTurns } from "./about-turns.ts";

const VERBS = {
	running: "answering",
	done: "answered",
	stopped: "stopped",
	failed: "failed",
} as const;

/**
 * Who may have made a change: `answered: 'tidy my notes' · main`, for each turn that ran then.
 * Empty if nothing is known.
 */
export function turnWords({ turns = [], isPutBack }: AboutTurns): string {
	return [...(isPutBack ? ["undo or restore"] : []), ...turns.map(wordsOf)].join("; ");
}

function wordsOf({ status, text, session }: Turn): string {
	const said = text === undefined ? "" : `: '${printable(text)}'`;
	return `${VERBS[status]}${said} · ${printable(shortKey(session), 80)}`;
}

/** Without what every key begins with. */
function shortKey(session: string): string {
	return session.replace(/^agent:(?:main:)?/, "");
}
