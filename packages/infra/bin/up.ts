/** `pnpm infra:up`: from nothing to a first answer. */
import { runAsProcess } from "../tools/command-line.ts";
import { runUpTool } from "../tools/up-tool.ts";

await runAsProcess(runUpTool);
