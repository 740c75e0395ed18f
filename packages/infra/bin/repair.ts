/** `pnpm infra:repair NAME`. */
import { runAsProcess } from "../lib/operate/command-line.ts";
import { runRepairTool } from "../lib/operate/repair-tool.ts";

await runAsProcess(runRepairTool);
