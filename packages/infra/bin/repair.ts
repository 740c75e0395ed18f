/** `pnpm infra:repair NAME`. */
import { runAsProcess } from "../tools/command-line.ts";
import { runRepairTool } from "../tools/repair-tool.ts";

await runAsProcess(runRepairTool);
