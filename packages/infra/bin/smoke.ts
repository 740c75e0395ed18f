/** `pnpm infra:smoke`: a message through the real door, to a real answer. */
import { runAsProcess } from "../lib/operate/command-line.ts";
import { runSmokeTool } from "../lib/operate/smoke-tool.ts";

await runAsProcess(runSmokeTool);
