/**
 * Questions to a person at a terminal. They go to stderr: the result is on stdout.
 */
import * as clack from "@clack/prompts";
import { SidecarError } from "../errors.ts";

export interface Choice {
	readonly value: string;
	readonly label: string;
	readonly hint?: string;
}

/** @returns what is wrong with an answer */
type Check = (value: string) => string | undefined;

export interface Ask {
	text(question: string, initial: string, check: Check): Promise<string>;
	one(question: string, choices: readonly Choice[], initial: string): Promise<string>;
	several(
		question: string,
		choices: readonly Choice[],
		initial: readonly string[],
	): Promise<readonly string[]>;
	confirm(question: string, initial: boolean): Promise<boolean>;
}

export const isTerminal = () => process.stdin.isTTY === true && process.stderr.isTTY === true;

const COMMON = { input: process.stdin, output: process.stderr };

export const terminal: Ask = {
	async text(message, initialValue, check) {
		const validate = (value = "") => check(value);
		return answered(await clack.text({ ...COMMON, message, initialValue, validate }));
	},
	async one(message, choices, initialValue) {
		return answered(
			await clack.select({ ...COMMON, message, options: [...choices], initialValue }),
		);
	},
	async several(message, choices, initial) {
		return answered(
			await clack.multiselect({
				...COMMON,
				message,
				options: [...choices],
				initialValues: [...initial],
				required: false,
			}),
		);
	},
	async confirm(message, initialValue) {
		return answered(await clack.confirm({ ...COMMON, message, initialValue }));
	},
};

/** @throws SidecarError USAGE if the person pressed Ctrl-C */
function answered<T>(answer: T): Exclude<T, symbol> {
	if (typeof answer === "symbol")
		throw new SidecarError("USAGE", {
			value: "Ctrl-C",
			reason: "stopped before anything was written",
			remedy: "start again, or answer with flags; --help lists them",
		});
	return answer as Exclude<T, symbol>;
}
