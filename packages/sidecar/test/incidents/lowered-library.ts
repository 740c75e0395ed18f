/**
 * The library in a process with lowered limits: each line of stdin is one call, as `[verb,
 * options]`, and each line of stdout its result.
 */
import { createInterface } from "node:readline";
import { flush, restore, SidecarError, status } from "../../src/index.ts";

const VERBS = { flush, restore, status } as const;

for await (const line of createInterface({ input: process.stdin })) {
	const [verb, options] = JSON.parse(line) as [keyof typeof VERBS, object];
	try {
		console.log(JSON.stringify(await VERBS[verb](options)));
	} catch (error) {
		if (!(error instanceof SidecarError)) throw error;
		const { code, message, exitStatus } = error;
		console.log(JSON.stringify({ code, message, exitStatus }));
	}
}
