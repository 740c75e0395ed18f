import { realpathSync } from "node:fs";

/** How the person who reads it calls this command again. */
export function ownCommand(env: NodeJS.ProcessEnv = process.env): string {
	const script = env.npm_lifecycle_event;
	if (env.npm_config_user_agent?.startsWith("pnpm/") && script === "openclaw-sidecar")
		return "npx -y pnpm --silent openclaw-sidecar";
	if (env.npm_command === "exec") return "npx openclaw-sidecar";
	return "openclaw-sidecar";
}

/** The file that was started: the same program can be started by it again. */
export function ownEntry(): string {
	return realpathSync(process.argv[1] as string);
}

/** A word of a shell's command line that means only itself. */
export function shellWord(text: string): string {
	return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
