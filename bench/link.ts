import { Agent, request } from "node:http";
import { median } from "./statistics.ts";

/** The measured performance. */
export interface Link {
	readonly roundTripMs: number;
	/** The rate of one GET. */
	readonly rateMBs: number;
}

const HEADS = 30;

/**
 * The time of a bare HEAD on an open connection, in ms. @param url answered without access to the
 * disk
 */
export async function roundTripMs(url: string): Promise<number> {
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	const head = () =>
		new Promise<void>((resolve, reject) => {
			const call = request(url, { method: "HEAD", agent }, (response) =>
				response.resume().once("end", resolve),
			);
			call.once("error", reject).end();
		});
	const samples: number[] = [];
	for (let i = -1; i < HEADS; i++) {
		const startedMs = performance.now();
		await head();
		// The first one opens the connection.
		if (i >= 0) samples.push(performance.now() - startedMs);
	}
	agent.destroy();
	return median(samples);
}
