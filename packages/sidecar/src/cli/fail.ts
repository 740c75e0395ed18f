/**
 * The one place that turns a command's failure into output for people or programs, and into an exit
 * status.
 */
import { printable, toSidecarError } from "../errors.ts";
import type { Output } from "./output.ts";

export interface Failing {
	readonly json: boolean;
	/** Stacks are shown on request, and for bugs. */
	readonly isVerbose: boolean;
	readonly out: Output;
}

/** @returns the exit status */
export async function fail(thrown: unknown, { json, isVerbose, out }: Failing): Promise<number> {
	const error = toSidecarError(thrown);
	if (json) {
		const { code, message, value, remedy, exitStatus } = error;
		const shape = { error: { code, message, value: value ?? null, remedy, exitStatus } };
		if (out.hasRaw) process.stderr.write(`${JSON.stringify(shape)}\n`);
		else {
			await out.json(shape);
			await out.flush();
		}
	} else {
		process.stderr.write(
			`error [${error.code}] ${shown(error.message)}\nwhat to do: ${shown(error.remedy)}\n`,
		);
	}
	if (isVerbose || error.code === "INTERNAL") process.stderr.write(`${stackOf(error)}\n`);
	return error.exitStatus;
}

function shown(text: string): string {
	return printable(text, 4_000);
}

function stackOf(error: Error): string {
	const stack = error.stack ?? error.message;
	return error.cause instanceof Error ? `${stack}\ncaused by ${stackOf(error.cause)}` : stack;
}
