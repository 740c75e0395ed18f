import type { Budget } from "./budget.ts";
import type { Lab } from "./lab.ts";
import type { Peer } from "./peers.ts";
import type { Result } from "./results.ts";

/** A measurement that can run alone: `pnpm bench --only NAME`. */
export interface Measurement {
	readonly name: string;
	/** A readable description. */
	readonly title: string;
	/** Those that its result decides. */
	readonly budgets?: readonly Budget[];
	/** The reason why `--quick` leaves it out. */
	readonly notQuick?: string;
	run(lab: Lab, peers: readonly Peer[]): Promise<Result>;
}
