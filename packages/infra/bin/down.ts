/** `pnpm infra:down`: deletes the stack, and says what stays. */
import { runAsProcess } from "../tools/command-line.ts";
import { runDownTool } from "../tools/down-tool.ts";

await runAsProcess(runDownTool);
