import type { Lab } from "./lab.ts";
import type { Peer } from "./peers.ts";
import type { Result } from "./results.ts";

/** One thing that can be measured by itself: `pnpm bench --only NAME`. */
export interface Measurement {
	readonly name: string;
	/** For people. */
	readonly title: string;
	run(lab: Lab, peers: readonly Peer[]): Promise<Result>;
}
