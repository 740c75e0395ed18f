import { endAgentsOf } from "../daemon/survivors.ts";
import { createLogger } from "../telemetry/logger.ts";

/**
 * The death watch starts this after its sidecar died. Nothing waits for it, so it reports only
 * through log lines.
 */
export async function endAgent(mark: string, record: string): Promise<number> {
	for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
	const logger = createLogger("info");
	try {
		await endAgentsOf(mark, record, logger);
		return 0;
	} catch (error) {
		logger.error("agent.not-ended", { error });
		return 2;
	}
}
