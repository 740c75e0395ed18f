import { endAgentsOf } from "../daemon/survivors.ts";
import { createLogger } from "../telemetry/logger.ts";

/** What a death watch starts when its sidecar has died. Nobody waits for it, so its log lines are all it says. */
export async function endAgent(mark: string, record: string): Promise<number> {
	for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
	const log = createLogger("info");
	try {
		await endAgentsOf(mark, record, log);
		return 0;
	} catch (error) {
		log.error("agent.not-ended", { error });
		return 2;
	}
}
