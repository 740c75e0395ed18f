/** `pnpm infra:users add|list|remove|stop|erase`. */
import { runAsProcess } from "../lib/operate/command-line.ts";
import { runUsersTool } from "../lib/operate/users-tool.ts";

await runAsProcess(runUsersTool);
