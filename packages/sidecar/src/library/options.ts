/**
 * Options common to all verbs. Each option has the meaning, the checks and the default of the
 * command line's (docs/configuration.md). Neither the environment nor a config file is read, except
 * the XDG directories on which defaults depend.
 */
import { homedir } from "node:os";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/options.ts";
import { privateDirectory } from "../disk/base-marker.ts";
import type { Workspace } from "../session/workspace.ts";
import { namespaced } from "../store/namespaced.ts";
import { type OpenStoreOptions, openStore } from "../store/open.ts";
import type { ObjectStore } from "../store/port.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { noProgress } from "../telemetry/progress.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import { type Profile, profileNamed, withoutTexts } from "../workspace/profile.ts";
import { openRoots } from "./open-roots.ts";
import { requireParent } from "./store-place.ts";
import { requireOutside, withRealWorkspace } from "./workspace-place.ts";

/** Selects a log: for verbs that read a log and touch no disk. */
export interface LogOptions extends OpenStoreOptions {
	/** `file:///absolute/dir`, `s3://bucket[/prefix]`, or an open store, which stays open. */
	readonly store?: string | ObjectStore;
	/** Create the directory of a `file://` store even if the one above it is missing. Default false. */
	readonly create?: boolean;
	/** The owner of the log. Default `default`. */
	readonly namespace?: string;
	/**
	 * @internal All options of docs/configuration.md, already checked. The other options are then
	 * ignored.
	 */
	readonly settings?: Config | undefined;
	/** Ends the verb early; it then throws. */
	readonly signal?: AbortSignal | undefined;
}

/** Selects a log and a directory of this machine. */
export interface WorkspaceOptions extends LogOptions {
	/** Default `~/.openclaw`. A relative path starts at the working directory. */
	readonly workspace?: string;
	/** The kind of agent in the directory. Default `openclaw`. */
	readonly profile?: "openclaw" | "plain" | Profile;
	/**
	 * Directories outside the workspace that belong to it: absolute paths by name. In the log they
	 * are below `.roots/{name}/`. Default: none; the log keeps its content of other roots.
	 */
	readonly roots?: Readonly<Record<string, string>> | ReadonlyMap<string, string>;
	/** Private to the sidecar, outside the workspace. Default `$XDG_STATE_HOME/openclaw-sidecar`. */
	readonly stateDir?: string;
	/** How to treat a file with a secret where the profile expects none. Default `warn`. */
	readonly onSecret?: "warn" | "exclude" | "fail";
	/**
	 * Keep the beginning of the message that began a turn with its commits. Default true.
	 */
	readonly turnLabels?: boolean;
	/** Default: silent. */
	readonly logger?: Logger;
	/** Default: none. */
	readonly progress?: Progress;
}

/** The expected content of the log at the start. Default `any`. */
export type Expectation = "new" | "existing" | "any";

export interface OpenLog {
	readonly settings: Config;
	/** The namespace's part of the store. */
	readonly store: ObjectStore;
	/** Of the whole store. */
	readonly storeUrl: string;
}

export interface OpenWorkspace extends OpenLog, Workspace {}

/**
 * Options, checked and completed.
 * @param options by option key; durations in ms
 * @throws SidecarError USAGE, NAMESPACE_INVALID, STORE_URL_INVALID, STATE_DIR_UNUSABLE
 */
export function settingsOf(options: LogOptions): Config {
	if (options.settings !== undefined) return options.settings;
	const { XDG_DATA_HOME, XDG_STATE_HOME } = process.env;
	const env = { XDG_DATA_HOME, XDG_STATE_HOME, XDG_CONFIG_HOME: undefined };
	const { store, profile, ...values } = options as Readonly<Record<string, unknown>>;
	// Open stores and profile objects have no text.
	const texts = Object.entries({ store, profile }).filter(([, value]) => typeof value !== "object");
	const input = { values: { ...values, ...Object.fromEntries(texts) }, flags: {}, env };
	return loadConfig({
		...input,
		homeDir: homedir(),
		workingDir: process.cwd(),
		readFile: () => undefined,
	}).config;
}

/** Opens the namespace's part of the store while `use` runs. */
export async function withLog<T>(
	options: LogOptions,
	use: (opened: OpenLog) => Promise<T>,
): Promise<T> {
	const { close, ...opened } = await openLog(options);
	try {
		return await use(opened);
	} finally {
		await close();
	}
}

/** Opens the namespace's part of the store. A store that was passed in stays open after `close`. */
export async function openLog(
	options: LogOptions,
): Promise<OpenLog & { readonly close: () => Promise<void> }> {
	const { settings, store, close } = await openRoot(options);
	return { settings, store: namespaced(store, settings.namespace), storeUrl: store.url, close };
}

/** The whole store, for verbs that concern all namespaces. */
export async function openRoot(
	options: Omit<LogOptions, "namespace">,
): Promise<Omit<OpenLog, "storeUrl"> & { readonly close: () => Promise<void> }> {
	const settings = settingsOf(options);
	const { store, isOurs } = await openedStore(options, settings);
	const close = async () => {
		if (isOurs) await store.close();
	};
	return { settings, store, close };
}

/** The same for verbs that work on a directory. */
export async function withWorkspace<T>(
	options: WorkspaceOptions,
	use: (opened: OpenWorkspace) => Promise<T>,
): Promise<T> {
	return await withLog(options, async (opened) => {
		const { storeUrl } = opened;
		const settings = withRealWorkspace(opened.settings);
		requireOutside(settings, storeUrl);
		const { workspace, stateDir, namespace, profile: name } = settings;
		const chosen =
			typeof options.profile === "object" ? options.profile : (profileNamed(name) as Profile);
		const profile = settings.turnLabels ? chosen : withoutTexts(chosen);
		const root = openRoots(settings, storeUrl);
		const privateDir = privateDirectory(stateDir, { workspace, store: storeUrl, namespace });
		return await use({
			...opened,
			settings,
			root,
			profile,
			privateDir,
			onSecret: settings.onSecret,
			logger: options.logger ?? silentLogger,
			progress: options.progress ?? noProgress,
			signal: options.signal,
		});
	});
}

/** How to reach S3, for any purpose. */
export function connectionOf(
	{ credentials }: Pick<OpenStoreOptions, "credentials">,
	settings: Config,
): OpenStoreOptions {
	const { region, endpoint, forcePathStyle, sse, sseKmsKeyId } = settings;
	return { region, endpoint, forcePathStyle, sse, sseKmsKeyId, credentials };
}

async function openedStore(
	options: LogOptions,
	settings: Config,
): Promise<{ readonly store: ObjectStore; readonly isOurs: boolean }> {
	const { store } = options;
	if (typeof store === "object") return { store, isOurs: false };
	requireParent(settings);
	return { store: await openStore(settings.store, connectionOf(options, settings)), isOurs: true };
}
