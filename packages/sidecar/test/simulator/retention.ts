/** One run of retention, by a principal that may delete. It gets the same faults as all others. */
import { SidecarError } from "../../src/errors.ts";
import { retain } from "../../src/maintenance/retain.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import type { Process } from "./process.ts";

/** Undefined if the store prevented it. */
export async function sweepOnce(process: Process): Promise<number | undefined> {
	try {
		const { sweptSeqs, packs } = await retain(process.store, {
			logger: silentLogger,
			environment: process.environment,
		});
		return sweptSeqs.length + packs.swept.count;
	} catch (error) {
		if (error instanceof SidecarError && [5, 6, 7].includes(error.exitStatus)) return undefined;
		throw error;
	}
}
