import { didYouMean } from "../config/suggest.ts";
import { SidecarError } from "../errors.ts";
import type { Command } from "./command.ts";
import { SCRIPTS, SHELLS } from "./completion-scripts.ts";

export const completion: Command = {
	name: "completion",
	args: "<SHELL>",
	choices: SHELLS,
	summary: "Print a script that completes commands, options and values.",
	notes: [
		"bash: `source <(openclaw-sidecar completion bash)` in ~/.bashrc.",
		"zsh: `source <(openclaw-sidecar completion zsh)` in ~/.zshrc, after compinit.",
		"fish: `openclaw-sidecar completion fish > ~/.config/fish/completions/openclaw-sidecar.fish`.",
	],
	async run({ config, out }, [shell = ""]) {
		const known = SHELLS.find((name) => name === shell);
		if (known === undefined)
			throw new SidecarError("USAGE", {
				value: shell || '""',
				reason: `SHELL must be ${SHELLS.slice(0, -1).join(", ")} or ${SHELLS.at(-1)}${didYouMean(shell, SHELLS)}`,
			});
		if (config.json) await out.json({ shell: known, script: SCRIPTS[known] });
		else for (const line of SCRIPTS[known].trimEnd().split("\n")) await out.line(line);
		return 0;
	},
};
