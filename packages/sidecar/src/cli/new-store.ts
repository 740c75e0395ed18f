/** A store that does not exist yet: asks on a terminal before its path is believed. */
import { existsSync } from "node:fs";
import type { Config } from "../config/options.ts";
import type { Command } from "./command.ts";
import { longFlag, optionsOf } from "./options-of.ts";

/** Commands that only read a store, and those that need a log, refuse a store that is not there. */
export function mayCreate(command: Command): boolean {
	return optionsOf(command).configured.some(({ flags }) => longFlag(flags) === "--create");
}

/**
 * The settings, with `create` if the store's place is missing and the user wants it. Asks only on a
 * terminal; without an answer the library refuses the store.
 */
export async function askToCreate(config: Config): Promise<Config> {
	const isAnswered = process.stdin.isTTY === true && process.stderr.isTTY === true;
	if (!config.store.startsWith("file:") || config.json || !isAnswered) return config;
	const { missingParent } = await import("../library/store-place.ts");
	const parent = missingParent(config);
	if (parent === undefined) return config;
	const { createInterface } = await import("node:readline/promises");
	const terminal = createInterface({ input: process.stdin, output: process.stderr });
	try {
		const question = `${parent} does not exist. Create it, for the new store ${config.store}? [y/N] `;
		const answer = await terminal.question(question);
		return { ...config, create: /^y(es)?$/i.test(answer.trim()) };
	} finally {
		terminal.close();
	}
}

/** Says on a terminal that the store is new: a mistyped path is noticed. */
export function tellNewStore({ store, json }: Config): () => void {
	if (json || process.stderr.isTTY !== true || !store.startsWith("file:")) return () => {};
	const wasThere = existsSync(new URL(store));
	return () => {
		if (!wasThere && existsSync(new URL(store)))
			process.stderr.write(`created the store ${store}\n`);
	};
}
