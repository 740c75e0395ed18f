/** CDK's command as a child process. Its output goes to the terminal. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { containerTool } from "../doctor/look-up.ts";
import { HOME } from "./installation.ts";

/** @returns the exit status */
export type Cdk = (
	args: readonly string[],
	at: { readonly directory: string; readonly region: string },
) => Promise<number>;

export function cdkCommand(program = resolve(HOME, "node_modules/.bin/cdk")): Cdk {
	return async (args, { directory, region }) => {
		const CDK_DOCKER = containerTool(process.env)?.name;
		const child = spawn(program, args, {
			cwd: directory,
			// The result of this tool is on stdout.
			stdio: ["inherit", 2, 2],
			env: { ...process.env, AWS_REGION: region, ...(CDK_DOCKER !== undefined && { CDK_DOCKER }) },
		});
		const [status] = (await once(child, "close")) as [number | null];
		return status ?? 1;
	};
}
