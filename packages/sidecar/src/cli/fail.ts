/**
 * The one place that turns a command's end into output for people or programs, and into an exit
 * status. With --json a failure is the field `error`: of the result, or of an object of its own.
 */
import { getSystemErrorMap } from "node:util";
import { printable, type SidecarError, toSidecarError } from "../errors.ts";
import { type Ending, errorOf, statusOf } from "./ending.ts";
import { fitted } from "./help.ts";
import type { Output } from "./output.ts";

export interface Failing {
	readonly json: boolean;
	/** Stacks are shown on request, and for bugs. */
	readonly isVerbose: boolean;
	readonly out: Output;
}

/** Prints what explains an ending. @returns the exit status */
export async function end(ending: Ending, failing: Failing): Promise<number> {
	const error = errorOf(ending);
	if (error === undefined) await failing.out.flush();
	else await explain(error, failing);
	return statusOf(ending);
}

/** Prints what was thrown: the result is incomplete. @returns the exit status */
export async function fail(thrown: unknown, failing: Failing): Promise<number> {
	const error = toSidecarError(thrown);
	await failing.out.flush();
	await explain(error, failing);
	return error.exitStatus;
}

async function explain(error: SidecarError, { json, isVerbose, out }: Failing): Promise<void> {
	if (json) {
		const { code, message, value, remedy, exitStatus } = error;
		const shape = { code, message, value: value ?? null, remedy, exitStatus };
		if (out.hasRaw) process.stderr.write(`${JSON.stringify({ error: shape })}\n`);
		else await out.error(shape);
		await out.flush();
	} else {
		await out.flush();
		const lines = [
			`error [${error.code}] ${withWords(shown(error.message))}`,
			`what to do: ${shown(error.remedy)}`,
		].flatMap((line) =>
			fitted(line, process.stderr.isTTY ? process.stderr.columns || 80 : undefined),
		);
		process.stderr.write(`${lines.join("\n")}\n`);
	}
	if (isVerbose || error.code === "INTERNAL") process.stderr.write(`${stackOf(error)}\n`);
}

function shown(text: string): string {
	return printable(text, 4_000);
}

/** `EACCES: permission denied` for a bare `EACCES` at the end. */
function withWords(text: string): string {
	const [, errno] = /: (E[A-Z0-9]+)(?: \(\w+\))?$/.exec(text) ?? [];
	const known = [...getSystemErrorMap().values()].find(([name]) => name === errno);
	return known === undefined ? text : `${text}, ${known[1]}`;
}

function stackOf(error: Error): string {
	const stack = error.stack ?? error.message;
	return error.cause instanceof Error ? `${stack}\ncaused by ${stackOf(error.cause)}` : stack;
}
