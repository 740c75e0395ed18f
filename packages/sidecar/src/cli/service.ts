import { existsSync } from "node:fs";
import { type Config, flagOf, OPTIONS } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import type { Command, Context } from "./command.ts";
import { textOf } from "./command.ts";
import { aligned, shownPath } from "./format.ts";
import { ownCommand, ownEntry } from "./own-command.ts";

const ACTIONS = ["install", "status", "remove"] as const;

export const service: Command = {
	name: "service",
	args: "<install|status|remove> [COMMAND...]",
	summary: "Run the sidecar with its agent as a systemd service.",
	notes: [
		"`service install -- COMMAND` writes a hardened unit for the agent's command, and starts it now and at every start.",
		"Settings come from the config file alone; `init` writes it. Secrets go into an environment file, which the unit names.",
		"`status` exits with 0 if the service runs, otherwise with 3. `remove` stops it, and keeps everything but the unit.",
	],
	options: [
		{ flags: "--user", description: "A service of this user (default)." },
		{ flags: "--system", description: "A service of the machine; needs root and --run-as." },
		{ flags: "--run-as <USER>", description: "The user of a system service." },
		{ flags: "--name <NAME>", description: "For a second service on this machine." },
		{
			flags: "--allow-write <DIR...>",
			description: "Further directories that the agent may write; all others are read-only.",
		},
		{ flags: "--print", description: "Print the unit, and change nothing." },
	],
	async run(context, [action = "", ...agent], options) {
		const library = await import("../library/service.ts");
		const scope = options.system === true ? ("system" as const) : ("user" as const);
		const name = textOf(options.name);
		const which = { scope, ...(name !== undefined && { name }) };
		const { out, config } = context;
		switch (action) {
			case "install": {
				const runAs = textOf(options.runAs);
				const unit = {
					...which,
					configFile: configFileOf(context),
					entry: ownEntry(),
					agent,
					...(runAs !== undefined && { runAs }),
					allowWrite: (options.allowWrite ?? []) as readonly string[],
				};
				if (options.print === true) {
					const made = library.serviceUnit(unit);
					if (config.json) await out.json(made);
					else await out.line(made.text.trimEnd());
					return 0;
				}
				const made = library.installService(unit);
				const state = library.serviceStatus(which);
				if (config.json) await out.json({ ...made, ...state });
				else
					for (const line of [
						`installed ${made.unit}: ${shownPath(made.path)}`,
						`  put secrets such as AWS_SECRET_ACCESS_KEY=… into ${shownPath(made.environmentFile)}, mode 600`,
						...stateLines(state, scope),
						`  to see that it goes on running: ${ownCommand()} service status`,
					])
						await out.line(line);
				return 0;
			}
			case "status": {
				const state = library.serviceStatus(which);
				if (config.json) await out.json(state);
				else
					for (const line of [
						`${state.unit}: ${state.isInstalled ? shownPath(state.path) : "not installed"}`,
						...stateLines(state, scope),
					])
						await out.line(line);
				return state.active?.startsWith("active")
					? 0
					: new SidecarError("SERVICE_NOT_RUNNING", { value: state.unit });
			}
			case "remove": {
				const kept = library.removeService(which);
				if (config.json) await out.json({ removed: kept !== undefined, kept: kept ?? null });
				else for (const line of removedLines(kept)) await out.line(line);
				return 0;
			}
			default:
				throw new SidecarError("USAGE", {
					value: action,
					reason: "service has no such action",
					remedy: `use one of ${ACTIONS.join(", ")}`,
				});
		}
	},
};

type Kept = import("../library/service.ts").Kept;
type State = ReturnType<typeof import("../library/service.ts").serviceStatus>;

/** A flag or a variable of this shell would not be there when the service starts. */
function configFileOf({ sources, configFile }: Context): string {
	const isFromFile = (key: string) =>
		key === "json" || key === "logLevel" || !/^(?:flag|env) /.test(sources[key as keyof Config]);
	const others = Object.entries(OPTIONS).filter(([key]) => !isFromFile(key));
	if (others.length > 0)
		throw new SidecarError("USAGE", {
			value: others.map(([, option]) => flagOf(option)).join(", "),
			reason: "the service reads its settings from the config file only",
			remedy: `write it with \`${ownCommand()} init\`, then leave these flags and variables away`,
		});
	if (!existsSync(configFile))
		throw new SidecarError("USAGE", {
			value: configFile,
			reason: "there is no config file, which the service needs",
			remedy: `run \`${ownCommand()} init\` first`,
		});
	return configFile;
}

function stateLines(
	{ isInstalled, active, enabled, result, exitStatus, endsAtLogout }: State,
	scope: "user" | "system",
): string[] {
	if (!isInstalled) return [];
	const log = `journalctl ${scope === "user" ? "--user " : ""}--unit`;
	return [
		`  ${active}, ${enabled}${result === "success" ? "" : `; last end: ${result}, exit status ${exitStatus}`}`,
		`  its log: ${log} openclaw-sidecar`,
		...(endsAtLogout
			? ["  it ends when you log out; to keep it running: loginctl enable-linger"]
			: []),
	];
}

function removedLines(kept: Kept | undefined): string[] {
	if (kept === undefined) return ["there was no service"];
	return [
		"stopped and removed the service; what stays:",
		...aligned([
			["  workspace", shownPath(kept.workspace)],
			["  history", shownPath(kept.store)],
			["  state", `${shownPath(kept.state)}, which may be deleted`],
			["  settings", shownPath(kept.config)],
			["  secrets", `${shownPath(kept.environment)}, if it exists`],
		]),
	];
}
