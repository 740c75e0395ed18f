/**
 * Questions to a person at a terminal. Without a terminal nothing is asked: a missing answer is an
 * error that names the option.
 */
import type { Readable, Writable } from "node:stream";
import * as clack from "@clack/prompts";
import { ToolError } from "./tool-error.ts";

export interface Choice {
	readonly value: string;
	readonly label: string;
	readonly hint?: string;
}

/** `check` returns what is wrong with an answer. */
type Check = (value: string) => string | undefined;

export interface Ask {
	text(
		question: string,
		given?: { readonly initial?: string; readonly check?: Check },
	): Promise<string>;
	/** Without echo. */
	secret(question: string, check?: Check): Promise<string>;
	one(question: string, choices: readonly Choice[], initial?: string): Promise<string>;
	several(
		question: string,
		choices: readonly Choice[],
		initial: readonly string[],
	): Promise<readonly string[]>;
	confirm(question: string, initial: boolean): Promise<boolean>;
}

type Terminal<T> = T & { readonly isTTY?: boolean };

/** Undefined without a terminal. Questions go to stderr, because the result is on stdout. */
export function terminal(
	input: Terminal<Readable> = process.stdin,
	output: Terminal<Writable> = process.stderr,
): Ask | undefined {
	if (input.isTTY !== true || output.isTTY !== true) return undefined;
	const common = { input, output };
	return {
		async text(message, { initial = "", check } = {}) {
			return answered(
				await clack.text({
					...common,
					message,
					initialValue: initial,
					validate: (value = "") => check?.(value),
				}),
			);
		},
		async secret(message, check) {
			return answered(
				await clack.password({ ...common, message, validate: (value = "") => check?.(value) }),
			);
		},
		async one(message, choices, initial) {
			return answered(
				await clack.select({
					...common,
					message,
					options: [...choices],
					...(initial !== undefined && { initialValue: initial }),
				}),
			);
		},
		async several(message, choices, initial) {
			return answered(
				await clack.multiselect({
					...common,
					message,
					options: [...choices],
					initialValues: [...initial],
				}),
			);
		},
		async confirm(message, initial) {
			return answered(await clack.confirm({ ...common, message, initialValue: initial }));
		},
	};
}

/** @throws ToolError if the person pressed Ctrl-C */
function answered<T>(answer: T): Exclude<T, symbol> {
	if (typeof answer === "symbol")
		throw new ToolError("NOT_CONFIRMED", "stopped", "nothing further was done; start again");
	return answer as Exclude<T, symbol>;
}
