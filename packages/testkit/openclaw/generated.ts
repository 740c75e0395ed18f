/**
 * An agent without OpenClaw: generated state, and a small gateway that writes to it like the real
 * one.
 */
import { join } from "node:path";
import { bytes, many } from "../format.ts";
import { freePort } from "../free-port.ts";
import { type Agent, answers, ONE_USE } from "./agent.ts";
import { generateOpenClawState, type TurnResult } from "./generate-state.ts";

const TURNS_BEFORE = 12;

export async function generatedAgent(seed: number): Promise<Agent> {
	const port = await freePort();
	const url = `http://127.0.0.1:${port}`;
	return {
		name: `generated: OpenClaw's tree, sizes, databases and write pattern (seed ${seed})`,
		scratch: [],
		env: {},
		shown: "a fake gateway",
		command: (stateDirectory) => [
			process.execPath,
			join(import.meta.dirname, "fake-gateway-main.ts"),
			stateDirectory,
			String(port),
		],
		async prepare(stateDirectory) {
			const {
				files,
				bytes: size,
				regenerated,
			} = await generateOpenClawState(stateDirectory, {
				seed,
				turns: TURNS_BEFORE,
				withCache: true,
			});
			return `${many(files, "file")}, ${bytes(size)}; caches among them: ${many(regenerated.files, "file")}, ${bytes(regenerated.bytes)}`;
		},
		ready: async (process) => await answers(`${url}/readyz`, process, 20_000),
		async turn(text) {
			const response = await fetch(`${url}/turn`, {
				method: "POST",
				headers: ONE_USE,
				body: text,
				signal: AbortSignal.timeout(20_000),
			});
			if (response.status !== 200) throw new Error(`the turn failed: ${await response.text()}`);
			const { messages, firstSeq, lastSeq } = (await response.json()) as TurnResult;
			return { messages, rows: { first: firstSeq, last: lastSeq } };
		},
		close: () => Promise.resolve(),
	};
}
