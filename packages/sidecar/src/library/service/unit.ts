/**
 * The text of a systemd unit that runs the sidecar with its agent. Pure.
 *
 * The unit holds no secret: settings are in the config file, secrets in an environment file beside
 * it. Everything but the named directories is read-only, for the agent too.
 */
import { SidecarError } from "../../errors.ts";

/** What a removal of the service keeps; paths, and a store's URL. */
export interface Kept {
	readonly workspace: string;
	readonly store: string;
	readonly state: string;
	readonly config: string;
	readonly environment: string;
}

export interface UnitInput {
	readonly scope: "user" | "system";
	/** Of a system service: a user of this machine. */
	readonly runAs?: string | undefined;
	readonly kept: Kept;
	/** Node, and the file that it starts. */
	readonly program: readonly [node: string, entry: string];
	/** The agent's command; empty for the directory alone. */
	readonly agent: readonly string[];
	/** Absolute paths that exist when the service starts. */
	readonly writable: readonly string[];
	/** Absolute paths that may not exist. */
	readonly writableIfThere: readonly string[];
	/** No secrets. */
	readonly variables: Readonly<Record<string, string>>;
	readonly drainTimeoutMs: number;
}

/**
 * The sidecar's own work after its drain: closing the store and the control socket takes less than
 * a second; the rest is for a busy machine.
 */
const END_MS = 15_000;

/** @throws SidecarError USAGE for a path that no unit can hold, such as one with a line break */
export function unitText(input: UnitInput): string {
	const { scope, runAs, kept, program, agent } = input;
	const command = [...program, "run", "--config", kept.config];
	const isInTemp = input.writable.some((path) => /^\/(?:var\/)?tmp\//.test(path));
	const isRoot = scope === "system" && runAs === "root";
	return `# Written by \`openclaw-sidecar service install\`, which replaces it as a whole.
# Change single settings with \`systemctl ${scope === "user" ? "--user " : ""}edit\`.
[Unit]
Description=openclaw-sidecar for ${line(kept.workspace)}
${scope === "system" ? "Wants=network-online.target\nAfter=network-online.target\n" : ""}# A store that does not answer is tried again for as long as it takes.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${[...command, ...(agent.length === 0 ? [] : ["--", ...agent])].map(argument).join(" ")}
${Object.entries(input.variables)
	.map(([name, value]) => `Environment=${word(`${name}=${value}`)}`)
	.join("\n")}
# For secrets, such as AWS_SECRET_ACCESS_KEY. It need not exist.
EnvironmentFile=-${line(onlyItself(kept.environment))}
${scope === "system" ? `User=${line(runAs ?? "root")}\n` : ""}UMask=0077

# SIGTERM goes to the sidecar alone: it ends the agent, and commits what is left.
KillMode=mixed
TimeoutStopSec=${Math.ceil((input.drainTimeoutMs + END_MS) / 1000)}
Restart=on-failure
RestartSec=10
# A wrong setting, another writer, a damaged log: starting again does not help.
RestartPreventExitStatus=2 4 5

# The sidecar and its agent write here and nowhere else.
ProtectSystem=strict
ProtectHome=read-only
${[
	...input.writable.map((path) => `ReadWritePaths=${word(path)}`),
	...input.writableIfThere.map((path) => `ReadWritePaths=${word(`-${path}`)}`),
].join("\n")}
PrivateTmp=${isInTemp ? "no" : "yes"}
PrivateDevices=yes
${scope === "user" ? "# Lets a user's manager set up the restrictions of this section.\nPrivateUsers=yes\n" : ""}NoNewPrivileges=yes
${isRoot ? "" : "CapabilityBoundingSet=\n"}ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=${scope === "user" ? "default.target" : "multi-user.target"}

# For \`service remove\`; systemd reads over it.
[X-Kept]
${Object.entries(kept)
	.map(([what, place]) => `${what}=${line(place)}`)
	.join("\n")}
`;
}

/** From the text of a unit. Undefined if it is not one of ours. */
export function keptBy(text: string): Kept | undefined {
	const [, section] = text.split("\n[X-Kept]\n");
	if (section === undefined) return undefined;
	const lines = section.split("\n").filter((line) => line.includes("="));
	const pairs = lines.map((line) => {
		const at = line.indexOf("=");
		return [line.slice(0, at), line.slice(at + 1).replaceAll("%%", "%")] as const;
	});
	return Object.fromEntries(pairs) as unknown as Kept;
}

/** A word of `ExecStart`, where `$` would name a variable. */
function argument(text: string): string {
	return word(text).replaceAll("$", "$$$$");
}

/** One word of a setting that takes several. */
function word(text: string): string {
	const literal = single(text);
	return /^[\w%+,./:=@-]+$/.test(literal) ? literal : `"${literal.replace(/["\\]/g, "\\$&")}"`;
}

/** A whole line, without quotes. The next line would continue one that ends in a backslash. */
function line(text: string): string {
	if (text.endsWith("\\"))
		throw refused(text, "a line of a systemd unit cannot end in a backslash", "rename the path");
	return single(text);
}

/** `EnvironmentFile` takes a pattern, without a way to escape that every systemd has. */
function onlyItself(path: string): string {
	if (/[*?[\\]/.test(path))
		throw refused(
			path,
			"systemd takes `*`, `?`, `[` and backslashes in the path of an environment file for a pattern",
			"use --config to name a config file in another directory",
		);
	return path;
}

/** `%` would be a specifier. */
function single(text: string): string {
	if (/[\0\r\n]/.test(text))
		throw refused(
			text,
			"a systemd unit cannot hold a line break",
			"rename the path, or start a script that has the command",
		);
	return text.replaceAll("%", "%%");
}

function refused(value: string, reason: string, remedy: string): SidecarError {
	return new SidecarError("USAGE", { value, reason, remedy });
}
