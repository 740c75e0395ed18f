/** JSON lines on stderr, which Lambda collects. Keys that hold secrets are never written. */
import { createLogger } from "openclaw-sidecar";

export const logger = createLogger("info");
