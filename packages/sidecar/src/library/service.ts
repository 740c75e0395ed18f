/**
 * The sidecar as a systemd service of a user or of the system: writes the unit, and calls
 * `systemctl`.
 *
 * Guarantees: only the unit is written and removed; the workspace, the store, the config file and
 * the state stay. Does not guarantee that the service runs: `serviceStatus` tells.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, rmSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import { makePrivateDirectory, readText, replaceText } from "./init/text-file.ts";
import { realPath } from "./place.ts";
import { type Account, makeDirectoryAs, quoted } from "./service/make-directory-as.ts";
import { changeableByOthers } from "./service/root-only.ts";
import { type Kept, keptBy, unitText } from "./service/unit.ts";

export type { Kept } from "./service/unit.ts";

export interface ServiceOptions {
	/** Of this user, or of the machine, which needs root. Default `user`. */
	readonly scope?: "user" | "system";
	/** Several services need names. Default: none, `openclaw-sidecar.service`. */
	readonly name?: string;
}

export interface ServiceUnitOptions extends ServiceOptions {
	/** Absolute. It must exist, and holds all settings of the service. */
	readonly configFile: string;
	/** Absolute: the file that Node starts. */
	readonly entry: string;
	/** The agent's command; default: none, the directory alone. */
	readonly agent?: readonly string[];
	/** A system service's user. Needed with `system`. */
	readonly runAs?: string;
	/** Further directories that the agent may write. */
	readonly allowWrite?: readonly string[];
}

export interface ServiceUnit {
	/** `openclaw-sidecar.service` */
	readonly unit: string;
	/** Where the unit belongs. */
	readonly path: string;
	readonly text: string;
	/** Variables for the service, such as credentials; it need not exist. */
	readonly environmentFile: string;
	/** Directories that must exist when the service starts. */
	readonly directories: readonly string[];
}

export interface ServiceStatus {
	readonly unit: string;
	readonly path: string;
	readonly isInstalled: boolean;
	/** In systemd's words; undefined if it is not installed. */
	readonly active: string | undefined;
	readonly enabled: string | undefined;
	/** Of the last end of the sidecar. */
	readonly result: string | undefined;
	readonly exitStatus: number | undefined;
	/** The service of this user ends when the user logs out. */
	readonly endsAtLogout: boolean;
}

const BASE_NAME = "openclaw-sidecar";

/** The unit, without writing it. @throws SidecarError USAGE, AGENT_NOT_STARTED */
export function serviceUnit(options: ServiceUnitOptions): ServiceUnit {
	const { scope = "user", configFile, entry, agent = [], runAs, allowWrite = [] } = options;
	if (entry.includes("/_npx/"))
		throw usage(
			entry,
			"npx may remove this file at any time, and the service would not start any more",
			"install the package, for example with `npm install --global openclaw-sidecar`",
		);
	if (scope === "system" && runAs === undefined)
		throw usage(
			"service",
			"a system service needs a user whose files the agent may read",
			"add --run-as USER; `--run-as root` only with --agent-user",
		);
	const { unit, path } = placeOfUnit(options);
	const variables = scope === "user" ? xdgVariables() : {};
	const homeDir = runAs === undefined ? homedir() : accountOf(runAs).home;
	const settings = settingsOfFile(configFile, homeDir, variables);
	const environmentFile = join(dirname(configFile), `${unit.replace(/\.service$/, "")}.env`);
	const store = settings.store.startsWith("file:") ? [fileURLToPath(settings.store)] : [];
	const roots = settings.roots === undefined ? [] : [...settings.roots.values()];
	const directories = [settings.workspace, settings.stateDir, ...store, ...roots].map(realPath);
	const text = unitText({
		scope,
		runAs,
		kept: {
			workspace: settings.workspace,
			store: settings.store,
			state: settings.stateDir,
			config: configFile,
			environment: environmentFile,
		},
		program: [process.execPath, entry],
		agent: agent.length === 0 ? [] : [programOf(agent[0] as string), ...agent.slice(1)],
		writable: [...new Set([...directories, ...allowWrite.map((place) => resolve(place))])],
		writableIfThere: scope === "user" ? [join(homedir(), ".cache", BASE_NAME)] : [],
		variables: { PATH: searchPath().join(delimiter), ...variables },
		drainTimeoutMs: settings.drainTimeoutMs,
	});
	return { unit, path, text, environmentFile, directories };
}

/**
 * Writes the unit, and creates the directories that it names, with the rights of the service's
 * user. Starts it now and at every start of the machine, or of the user's session.
 *
 * A system service takes its settings and variables only from files that root alone can change.
 * @throws SidecarError as `serviceUnit`; SYSTEM_REFUSED if a file cannot be written or `systemctl`
 * fails
 */
export function installService(options: ServiceUnitOptions): ServiceUnit {
	const made = serviceUnit(options);
	const user = options.scope === "system" ? options.runAs : undefined;
	const account = user === undefined ? undefined : accountOf(user);
	if (account !== undefined)
		for (const file of [options.configFile, made.environmentFile]) requireRootOnly(file, account);
	requireSystemd(options);
	const present = readText(made.path);
	if (present !== undefined && keptBy(present) === undefined)
		throw usage(
			made.path,
			"this unit was not written by openclaw-sidecar",
			"move it away, or choose another --name",
		);
	for (const directory of made.directories)
		if (account === undefined) makePrivateDirectory(directory);
		else makeDirectoryAs(account, directory);
	replaceText(made.path, made.text, 0o644);
	systemctl(options, "daemon-reload");
	systemctl(options, "enable", made.unit);
	systemctl(options, "restart", made.unit);
	return made;
}

/** @throws SidecarError SYSTEM_REFUSED if there is no systemd */
export function serviceStatus(options: ServiceOptions = {}): ServiceStatus {
	const { unit, path } = placeOfUnit(options);
	const isInstalled = readText(path) !== undefined;
	const names = ["ActiveState", "SubState", "UnitFileState", "Result", "ExecMainStatus"];
	const shown = isInstalled
		? systemctl(options, "show", unit, ...names.map((name) => `--property=${name}`))
		: "";
	const values = new Map(
		shown.split("\n").map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)]),
	);
	const active = values.get("ActiveState");
	return {
		unit,
		path,
		isInstalled,
		active: active && `${active} (${values.get("SubState")})`,
		enabled: values.get("UnitFileState"),
		result: values.get("Result"),
		exitStatus: isInstalled ? Number(values.get("ExecMainStatus")) : undefined,
		endsAtLogout:
			options.scope !== "system" && !existsSync(`/var/lib/systemd/linger/${userInfo().username}`),
	};
}

/**
 * Stops the service, which drains it, and removes the unit.
 * @returns what stays; undefined if there was no such service
 * @throws SidecarError SYSTEM_REFUSED
 */
export function removeService(options: ServiceOptions = {}): Kept | undefined {
	const { unit, path } = placeOfUnit(options);
	const text = readText(path);
	if (text === undefined) return undefined;
	const kept = keptBy(text);
	if (kept === undefined)
		throw usage(
			path,
			"this unit was not written by openclaw-sidecar",
			"remove it yourself, or choose another --name",
		);
	systemctl(options, "disable", "--now", unit);
	rmSync(path, { force: true });
	systemctl(options, "daemon-reload");
	return kept;
}

function placeOfUnit({ scope = "user", name }: ServiceOptions): { unit: string; path: string } {
	if (name !== undefined && !/^[\w.-]{1,64}$/.test(name))
		throw usage(name, "--name accepts 1-64 letters, digits, dots, - and _", "choose another name");
	const unit = `${BASE_NAME}${name === undefined ? "" : `-${name}`}.service`;
	const { XDG_CONFIG_HOME } = process.env;
	const config = XDG_CONFIG_HOME?.startsWith("/") ? XDG_CONFIG_HOME : join(homedir(), ".config");
	const directory = scope === "system" ? "/etc/systemd/system" : join(config, "systemd/user");
	return { unit, path: join(directory, unit) };
}

/** A service has its own short PATH, so a program is named by the place where it is now. */
function programOf(name: string): string {
	if (name.includes("/")) return resolve(name);
	const found = searchPath()
		.map((directory) => join(directory, name))
		.find(isProgram);
	if (found !== undefined) return found;
	throw new SidecarError("AGENT_NOT_STARTED", {
		value: name,
		reason: "there is no such program in PATH",
	});
}

function isProgram(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

function searchPath(): string[] {
	const directories = (process.env.PATH ?? "")
		.split(delimiter)
		// What npx adds for its own scripts is left out.
		.filter((directory) => /^\/(?!.*\/(?:_npx|npm\/node_modules)\/)/.test(directory));
	return [...new Set(directories)].filter((directory) => existsSync(directory));
}

function accountOf(name: string): Account {
	const [, , uid, gid, , home = "/"] = call("getent", ["passwd", name]).split(":");
	return { name, uid: Number(uid), gid: Number(gid), home };
}

/** systemd reads it as root, and its settings decide where the service's directories are. */
function requireRootOnly(file: string, { gid }: Account): void {
	const place = changeableByOthers(file);
	if (place === undefined) return;
	const copy = `/etc/${BASE_NAME}/${basename(file)}`;
	throw usage(
		file,
		`${place === file ? "a user" : `${place}: a user`} other than root can change it, which is refused with --system`,
		`copy it with \`install -D -m 0640 -g ${gid} ${quoted(file)} ${quoted(copy)}\`, and name the config file there with --config`,
	);
}

/** As the service will find them: with its own home directory, and without this shell's variables. */
function settingsOfFile(configFile: string, homeDir: string, env: NodeJS.ProcessEnv): Config {
	const input = { flags: { config: configFile }, env, homeDir, workingDir: "/" };
	return loadConfig({ ...input, readFile: readText }).config;
}

/** Defaults depend on them. */
function xdgVariables(): Record<string, string> {
	const names = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
	return Object.fromEntries(
		names.flatMap((name) => {
			const value = process.env[name];
			return value?.startsWith("/") ? [[name, value]] : [];
		}),
	);
}

function requireSystemd(options: ServiceOptions): void {
	systemctl(options, "list-units", "--no-legend", "--all", `${BASE_NAME}.service`);
}

function systemctl({ scope = "user" }: ServiceOptions, ...args: readonly string[]): string {
	return call("systemctl", [...(scope === "user" ? ["--user"] : []), "--no-pager", ...args]);
}

function call(program: string, args: readonly string[]): string {
	const { status, stdout, stderr, error } = spawnSync(program, args, {
		encoding: "utf8",
		stdio: ["ignore", "pipe", "pipe"],
	});
	if (status === 0) return stdout.trim();
	const reason = error?.message ?? stderr.trim();
	throw refused(
		[program, ...args].join(" "),
		reason,
		error,
		program === "systemctl" && args.includes("--user")
			? "check that systemd runs for this user: log in as the user, not with su or sudo, or use --system; `service install --print` writes nothing"
			: undefined,
	);
}

function refused(value: string, reason: string, cause?: unknown, remedy?: string): SidecarError {
	return new SidecarError("SYSTEM_REFUSED", {
		value,
		reason,
		...(remedy !== undefined && { remedy }),
		cause,
	});
}

function usage(value: string, reason: string, remedy: string): SidecarError {
	return new SidecarError("USAGE", { value, reason, remedy });
}
