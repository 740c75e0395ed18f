import { AgentApi } from "../agentcore/agent-api.ts";
import {
	type IdentityStrategy,
	type IdentityStrategyName,
	identityStrategy,
	type UserCredentials,
} from "../agentcore/identity.ts";
import { Life } from "../agentcore/life.ts";
import { startServer } from "../agentcore/server.ts";
import { thisEnvironment } from "../commit/environment.ts";
import type { Config } from "../config/options.ts";
import type { Serving } from "../daemon/daemon.ts";
import { SidecarError } from "../errors.ts";
import { loadStore, parseStoreUrl } from "../store/open.ts";
import type { ObjectStore } from "../store/port.ts";
import { renewed } from "../store/renewed.ts";
import { silentLogger } from "../telemetry/logger.ts";
import type { Logger } from "../telemetry/types.ts";
import { modelScope } from "./model.ts";
import { settingsOf, withWorkspace } from "./options.ts";
import { type PlatformAgent, platformAgent } from "./platform-agent.ts";
import type { RunEnd, RunOptions } from "./run.ts";

export interface ServeOptions extends RunOptions {
	/**
	 * The address of AgentCore's contract, `HOST:PORT`; port 0: any free port, see the event
	 * `server.listening`.
	 */
	readonly listen: string;
	/** Default `ambient`. */
	readonly identity?: IdentityStrategyName;
	/**
	 * The issuer of the users' tokens, exactly as in their `iss`. Default: requests need no token,
	 * and all belong to `namespace`.
	 */
	readonly issuer?: string;
	/** One of the tokens' `aud`; needed with `issuer`. */
	readonly audience?: string;
	/** The claim that names the user. Default `sub`. */
	readonly userClaim?: string;
	readonly roleArn?: string;
	/** ms. Default 3,600,000. */
	readonly roleDurationMs?: number;
	/** ARN of the bucket's key, if it is customer-managed. */
	readonly kmsKey?: string;
	/** Default `http://127.0.0.1:18789`. */
	readonly agentUrl?: string;
	/** Default `/readyz`. */
	readonly agentReadyPath?: string;
	/** How to treat a turn that still runs at the end. Default `resume`. */
	readonly interruptedTurns?: "resume" | "end";
	/** E.g. `10MB`. Default `100MB`. */
	readonly maxBody?: string;
	/** As for `run`, but by default none beyond what any program needs. */
	readonly agentEnv?: string;
	/** As for `run`, but by default `log`: what a platform collects must not be forged. */
	readonly agentOutput?: "log" | "inherit";
	/** An STS other than AWS's. Default: AWS_ENDPOINT_URL_STS. */
	readonly stsEndpoint?: string;
}

/**
 * `not-started`: no request came, or none could be served; the status is then that of the last
 * failure.
 */
export type ServeResult =
	| RunEnd
	| {
			readonly kind: "not-started";
			readonly exitStatus: SidecarError["exitStatus"] | 0;
			/** Of the last request that could not be served, if `exitStatus` is not 0. */
			readonly failure?: SidecarError;
	  };

/**
 * Loads what a start needs: after the first ping, whose answer must be fast, and before a request,
 * which must not wait for it.
 */
const loadDaemon = async () => {
	const [{ runDaemon }, { daemonOptions, runEnd }] = await Promise.all([
		import("../daemon/daemon.ts"),
		import("./run.ts"),
	]);
	return { runDaemon, daemonOptions, runEnd };
};

/** Requests that wait for the start: more than the clients of one user send. */
const MAX_WAITING = 32;
/**
 * A start can take as long as a restore of gigabytes plus half a minute for the agent. The
 * platform's own limit for an answer is 15 minutes.
 */
const WAIT_TIMEOUT_MS = 10 * 60_000;
const READY_TIMEOUT_MS = 5 * 60_000;
const WAKE_LOOK_MS = 5_000;
/** The annotation with the user's model tokens of the day, which outlive the machine in commits. */
const USAGE = "usage";
/** For answers that are almost complete when the drain is over. */
const CLOSE_TIMEOUT_MS = 500;

/**
 * Answers the platform's contract, and follows its machines' life cycle. Nothing of a user's
 * happens before the first request, whose token tells which user the machine belongs to. Then the
 * workspace is restored, the agent started, and requests are forwarded to it, until `signal`
 * drains.
 *
 * @throws SidecarError USAGE: a missing identity setting, or an address that cannot be used
 */
export async function serve(options: ServeOptions): Promise<ServeResult> {
	const settings = settingsOf(options);
	const logger = options.logger ?? silentLogger;
	const machine = new PlatformMachine(options, settings, logger);
	const { host, port } = addressOf(options.listen);
	const { life } = machine;
	const server = await startServer({
		host,
		port,
		life,
		forward: async (admitted, caller, signal) =>
			await machine.agent.forward(admitted, caller, signal),
		status: () => machine.status(),
		needsToken: settings.issuer !== undefined,
		maxBodyBytes: bytesOf(settings.maxBody),
		logger,
	});
	try {
		return await machine.ended;
	} finally {
		life.end();
		await server.close(CLOSE_TIMEOUT_MS);
		machine.agent.close();
	}
}

class PlatformMachine {
	readonly life: Life;
	readonly agent: AgentApi;
	readonly ended: Promise<ServeResult>;
	readonly #options: ServeOptions;
	readonly #settings: Config;
	readonly #logger: Logger;
	/** Aborted by the caller's signal, or because another writer owns the workspace. */
	readonly #stop = new AbortController();
	readonly #end = Promise.withResolvers<ServeResult>();
	/**
	 * Undefined until the first request: a copy of the machine must not share secrets made for this
	 * boot.
	 */
	#platformAgent: PlatformAgent | undefined;
	/** The running daemon. */
	#serving: Serving | undefined;
	#store: ObjectStore | undefined;

	constructor(options: ServeOptions, settings: Config, logger: Logger) {
		this.#options = options;
		this.#settings = settings;
		this.#logger = logger;
		this.ended = this.#end.promise;
		const { agentUrl: url, agentReadyPath: readyPath } = settings;
		this.agent = new AgentApi({
			url,
			readyPath,
			token: () => this.#platformAgent?.secret(),
			isEnding: () => this.#stop.signal.aborted,
			dialect: () => this.#platformAgent?.dialect,
			logger,
		});
		this.life = new Life({
			identity: strategyOf(options, settings, logger),
			start: async (namespace, user) => await this.#start(namespace, user),
			// If loading fails it will fail again when needed, and is reported there.
			onFirstPing: () =>
				void Promise.all([loadDaemon(), loadStore(settings.store)]).catch(() => {}),
			notDurableForMs: () => this.#serving?.notDurableForMs(),
			maxWaiting: MAX_WAITING,
			waitTimeoutMs: WAIT_TIMEOUT_MS,
			logger,
		});
		this.life.wake.onWake(() => this.#wake());
		const { signal } = options;
		if (signal?.aborted) void this.#drain();
		else signal?.addEventListener("abort", () => void this.#drain(), { once: true });
	}

	status(): object {
		const { phase, requestsInFlight, requestsServed } = this.life;
		return {
			phase,
			requestsInFlight,
			requestsServed,
			notDurableForMs: this.#serving?.notDurableForMs() ?? 0,
			daemon: this.#serving?.status(),
		};
	}

	async #start(namespace: string, user: UserCredentials | undefined): Promise<void> {
		this.#serving ??= await this.#begin(namespace, user);
		await this.#agentReady();
	}

	/** The daemon, from restore to the end. Resolves when it runs; its failure is then final. */
	async #begin(namespace: string, user: UserCredentials | undefined): Promise<Serving> {
		const renewing =
			user && Object.assign(async () => await user.renewing.provide(), { memoized: true });
		const credentials = renewing ?? this.#options.credentials;
		const { promise: begun, resolve, reject } = Promise.withResolvers<Serving>();
		const settings = { ...this.#settings, namespace };
		const ended = withWorkspace({ ...this.#options, settings, credentials }, async (opened) => {
			const { runDaemon, daemonOptions, runEnd } = await loadDaemon();
			const store = user === undefined ? opened.store : renewed(opened.store, user.renewing);
			this.#store = store;
			const token = thisEnvironment.randomBytes(32).toString("base64url");
			const env = this.#options.env ?? process.env;
			await using agent = await platformAgent({ ...opened, store }, env, token, {
				credentials: user?.renewing,
				isEnding: () => this.#stop.signal.aborted,
				serving: () => this.#serving,
			});
			this.#platformAgent = agent;
			const end = await runDaemon(
				{
					...daemonOptions(this.#options, { ...opened, store }),
					agentEnv: opened.settings.agentEnv?.split(",") ?? [],
					agentVariables: agent.variables,
					logAgentOutput: opened.settings.agentOutput !== "inherit",
					prepareWorkspace: (annotations) => {
						for (const { path, name, value } of annotations)
							if (path === "" && name === USAGE) agent.usage?.seed(value);
						agent.prepare();
					},
					annotate: () => (agent.usage === undefined ? {} : { [USAGE]: String(agent.usage) }),
					askToStop: agent.askToStop,
					restartAgent: true,
					lifecycle: this.life.lifecycle,
					onServing: resolve,
					onSuperseded: () => void this.#drain(),
				},
				this.#stop.signal,
			);
			return runEnd(this.#options, opened, end);
		});
		ended.catch(reject);
		const serving = await begun;
		this.#end.resolve(ended);
		// Requests and pings check too, but the platform may send none for a long time.
		setInterval(() => this.life.wake.look(), WAKE_LOOK_MS).unref();
		return serving;
	}

	async #agentReady(): Promise<void> {
		const timeout = AbortSignal.timeout(READY_TIMEOUT_MS);
		try {
			await this.agent.waitUntilReady(AbortSignal.any([this.#stop.signal, timeout]));
		} catch (error) {
			if (!timeout.aborted) throw error;
			throw new SidecarError("AGENT_UNREACHABLE", {
				reason: `it is not ready after ${READY_TIMEOUT_MS} ms`,
			});
		}
	}

	#wake(): void {
		this.#store?.reconnect?.();
		this.#serving?.wake();
	}

	async #drain(): Promise<void> {
		if (this.#stop.signal.aborted) return;
		const settled = this.life.drain();
		this.#stop.abort(this.#options.signal?.reason ?? new Error("the machine is shutting down"));
		await settled;
		// The daemon that runs ends the machine.
		if (this.#serving !== undefined) return;
		const { lastFailure } = this.life;
		this.#logger.info("run.stopped-before-start", { lastFailure: lastFailure?.code });
		const isOurs = lastFailure === undefined || lastFailure.code === "INTERNAL";
		const kind = "not-started";
		this.#end.resolve(
			isOurs
				? { kind, exitStatus: 0 }
				: { kind, exitStatus: lastFailure.exitStatus, failure: lastFailure },
		);
	}
}

function strategyOf(options: ServeOptions, settings: Config, logger: Logger): IdentityStrategy {
	const {
		identity: strategy,
		namespace,
		issuer,
		audience,
		userClaim,
		roleArn,
		roleDurationMs,
		kmsKey,
		region,
	} = settings;
	if (issuer !== undefined && audience === undefined) {
		throw new SidecarError("USAGE", {
			value: issuer,
			reason: "without an audience, the issuer's tokens for other applications would be accepted",
			remedy: "give --audience",
		});
	}
	const location = typeof options.store === "object" ? undefined : parseStoreUrl(settings.store);
	return identityStrategy({
		strategy,
		namespace,
		token:
			issuer === undefined || audience === undefined ? undefined : { issuer, audience, userClaim },
		roleArn,
		roleDurationS: roleDurationMs / 1000,
		bucket: location?.kind === "s3" ? location : undefined,
		kmsKeyArn: kmsKey,
		model: modelScope(settings, profileName(options, settings), options.env ?? process.env),
		region,
		stsEndpoint: options.stsEndpoint,
		logger,
	});
}

const profileName = ({ profile }: ServeOptions, settings: Config) =>
	typeof profile === "object" ? profile.name : settings.profile;

function addressOf(listen: string): { readonly host: string; readonly port: number } {
	const colon = listen.lastIndexOf(":");
	const port = Number(listen.slice(colon + 1));
	if (port > 65_535)
		throw new SidecarError("USAGE", { value: listen, reason: "a port is at most 65535" });
	return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ""), port };
}

function bytesOf(size: string): number {
	return Number.parseInt(size, 10) * (size.endsWith("MB") ? 1_000_000 : 1_000);
}
