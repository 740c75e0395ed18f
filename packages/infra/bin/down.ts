/** `pnpm infra:down`: deletes the stack, and says what stays. */
import { runAsProcess } from "../lib/operate/command-line.ts";
import { runDownTool } from "../lib/operate/down-tool.ts";

await runAsProcess(runDownTool);
