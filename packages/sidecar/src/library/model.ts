/**
 * The agent's model as the options describe it: which upstream, whose credential, and what the agent
 * is told.
 */
import { readFileSync } from "node:fs";
import type { ModelScope } from "../agentcore/session-policy.ts";
import { thisEnvironment } from "../commit/environment.ts";
import type { Config } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import type { ModelCredential, SessionCredentials } from "../model/credential.ts";
import { apiOf, basePathOf, type Upstream, upstreamOf } from "../model/upstream.ts";
import { DailyLedger } from "../model/usage-ledger.ts";
import type { OpenWorkspace } from "./options.ts";

export interface AgentModel extends AsyncDisposable {
	/** Only for the agent. */
	readonly variables: Readonly<Record<string, string>>;
	/** Its text is what the next machine is seeded with. */
	readonly usage: DailyLedger;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** An inference profile that every commercial region has. */
const DEFAULT_MODELS: Readonly<Record<string, string>> = {
	"bedrock-runtime": "global.anthropic.claude-opus-5",
	"bedrock-mantle": "anthropic.claude-opus-5",
};

/**
 * Undefined: the agent reaches its model by itself.
 * @param profile its name
 * @throws SidecarError USAGE
 */
export function modelUpstream(
	{ modelUpstream: given, listen, region: fallback }: Config,
	profile: string,
	env: Variables,
): Upstream | undefined {
	const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? fallback;
	const isDefault =
		listen !== undefined &&
		profile === "openclaw" &&
		env.OPENCLAW_MODEL_BASE_URL === undefined &&
		region !== undefined;
	const upstream = given ?? (isDefault ? "bedrock-runtime" : "off");
	return upstream === "off" ? undefined : upstreamOf({ upstream, region, endpoints: env });
}

/** The rights that a user's session needs for it; undefined: none. */
export function modelScope(
	settings: Config,
	profile: string,
	env: Variables,
): ModelScope | undefined {
	const signing = modelUpstream(settings, profile, env)?.signing;
	return signing && { service: signing.service, ids: settings.modelIds?.split(",") };
}

/** Without the variable that holds the provider's key. */
export function withoutModelKey(env: NodeJS.ProcessEnv, { modelKey }: Config): NodeJS.ProcessEnv {
	if (!modelKey?.startsWith("env:")) return env;
	const { [modelKey.slice("env:".length)]: _, ...rest } = env;
	return rest;
}

/**
 * @param user the credentials of the user's session. Without them a request to Amazon Bedrock is
 * signed with what the AWS SDK finds, if `--identity` says so.
 */
export async function startModel(
	{ settings, profile: { name: profile }, logger }: OpenWorkspace,
	env: NodeJS.ProcessEnv,
	user: SessionCredentials | undefined,
): Promise<AgentModel | undefined> {
	const upstream = modelUpstream(settings, profile, env);
	if (upstream === undefined) return undefined;
	const { startModelEndpoint } = await import("../model/endpoint.ts");
	const token = thisEnvironment.randomBytes(32).toString("base64url");
	const usage = new DailyLedger();
	const endpoint = await startModelEndpoint({
		port: portOf(settings.modelPort),
		token,
		upstream,
		credential: await credentialFor(upstream, settings, env, user),
		models: settings.modelIds?.split(","),
		ledger: usage,
		dailyTokens: tokensOf(settings.modelDailyTokens),
		logger: logger.child({ namespace: settings.namespace }),
	});
	return {
		variables: modelVariables(upstream, profile, env, `http://127.0.0.1:${endpoint.port}`, token),
		usage,
		[Symbol.asyncDispose]: async () => await endpoint.close(),
	};
}

/** Never the machine's role in place of a user's session. */
async function credentialFor(
	{ signing }: Upstream,
	{ identity, modelKey }: Config,
	env: NodeJS.ProcessEnv,
	user: SessionCredentials | undefined,
): Promise<ModelCredential> {
	const { keyOf, signedBy } = await import("../model/credential.ts");
	if (signing === undefined) return keyOf(keySource(modelKey, env));
	if (user !== undefined) return signedBy(user, signing);
	if (identity !== "ambient")
		throw new SidecarError("USAGE", {
			value: identity,
			reason: "there is no session of the user's to sign model requests with",
			remedy: "give --role-arn",
		});
	return signedBy(await ambientCredentials(), signing);
}

/** The SDK renews them itself, when it is asked again. */
async function ambientCredentials(): Promise<SessionCredentials> {
	const { fromNodeProviderChain } = await import("../store/aws-credentials.ts");
	let chain = fromNodeProviderChain();
	let generation = 0;
	return {
		get generation() {
			return generation;
		},
		provide: async () => {
			try {
				return await chain();
			} catch {
				const reason = "the AWS SDK finds no credentials";
				throw new SidecarError("MODEL_DENIED", { reason, remedy: "see --identity" });
			}
		},
		renewAfter: async (refused) => {
			if (refused !== generation) return;
			chain = fromNodeProviderChain();
			generation++;
		},
	};
}

function keySource(source: string | undefined, env: NodeJS.ProcessEnv): (() => string) | undefined {
	if (source === undefined) return undefined;
	const place = source.slice(source.indexOf(":") + 1);
	const read = () => (source.startsWith("env:") ? env[place] : readFileSync(place, "utf8").trim());
	const key = () => {
		try {
			const value = read();
			if (value !== undefined && value !== "") return value;
		} catch {
			// Reported below: the system's error says no more.
		}
		throw new SidecarError("USAGE", { value: source, reason: "--model-key finds no key there" });
	};
	// At the start, when somebody looks.
	key();
	return key;
}

/** For OpenClaw's configuration, or by the names that clients of both APIs read. */
function modelVariables(
	upstream: Upstream,
	profile: string,
	env: Variables,
	origin: string,
	token: string,
): Record<string, string> {
	const baseOf = (api: ReturnType<typeof apiOf>) => `${origin}${basePathOf(upstream, api)}`;
	if (profile !== "openclaw")
		return {
			...pastProxies(env),
			ANTHROPIC_BASE_URL: baseOf("anthropic-messages"),
			ANTHROPIC_API_KEY: token,
			OPENAI_BASE_URL: baseOf("openai-completions"),
			OPENAI_API_KEY: token,
		};
	const id = env.OPENCLAW_MODEL_ID ?? DEFAULT_MODELS[upstream.name];
	const given = env.OPENCLAW_MODEL_API;
	const api =
		given === "anthropic-messages" || given === "openai-completions" ? given : apiOf(id ?? "");
	return {
		...pastProxies(env),
		...(id !== undefined && { OPENCLAW_MODEL_ID: id }),
		OPENCLAW_MODEL_API: api,
		OPENCLAW_MODEL_BASE_URL: baseOf(api),
		OPENCLAW_MODEL_API_KEY: token,
	};
}

/** A proxy that the agent uses is not asked for an address of this machine. */
function pastProxies(env: Variables): Record<string, string> {
	if (!Object.keys(env).some((name) => /^(https?|all)_proxy$/i.test(name))) return {};
	const list = [env.NO_PROXY ?? env.no_proxy ?? "", "127.0.0.1"].filter(Boolean).join(",");
	return { NO_PROXY: list, no_proxy: list };
}

function portOf(text: string): number {
	const port = Number(text);
	if (port > 65_535)
		throw new SidecarError("USAGE", { value: text, reason: "a port is at most 65535" });
	return port;
}

const UNITS: Readonly<Record<string, number>> = { K: 1_000, M: 1_000_000 };

function tokensOf(text: string | undefined): number | undefined {
	return text === undefined ? undefined : Number.parseInt(text, 10) * (UNITS[text.slice(-1)] ?? 1);
}
