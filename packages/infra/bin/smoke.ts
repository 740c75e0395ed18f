/** `pnpm infra:smoke`: a message through the real door, to a real answer. */
import { runAsProcess } from "../tools/command-line.ts";
import { runSmokeTool } from "../tools/smoke-tool.ts";

await runAsProcess(runSmokeTool);
