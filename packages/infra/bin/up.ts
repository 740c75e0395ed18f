/** `pnpm infra:up`: from nothing to a first answer. */
import { runAsProcess } from "../lib/operate/command-line.ts";
import { runUpTool } from "../lib/operate/up-tool.ts";

await runAsProcess(runUpTool);
