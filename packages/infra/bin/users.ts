/** `pnpm infra:users add|list|remove|stop|erase`. */
import { runAsProcess } from "../tools/command-line.ts";
import { runUsersTool } from "../tools/users-tool.ts";

await runAsProcess(runUsersTool);
