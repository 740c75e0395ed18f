/**
 * Where model requests go, and which of them go there: a fixed list of paths for each upstream.
 * Nothing that the agent sends can add a host, a path or a query.
 *
 * Amazon Bedrock has two endpoints with the same two APIs. AWS recommends `bedrock-runtime`: it
 * exists in every region of Bedrock, and takes ids of cross-region inference profiles. Each has its
 * own name in signatures and in IAM. Sources and dates: decision 60.
 */
import { SidecarError } from "../errors.ts";

export type ModelApi = "anthropic-messages" | "openai-completions";

export interface Route {
	readonly api: ModelApi;
	readonly url: URL;
}

export interface Upstream {
	readonly name: string;
	/** By the exact path of the agent's request. */
	readonly routes: ReadonlyMap<string, Route>;
	/** What requests are signed for; undefined: they carry a key. */
	readonly signing: { readonly service: BedrockService; readonly region: string } | undefined;
}

/** Also the prefix of the IAM actions. */
export type BedrockService = "bedrock" | "bedrock-mantle";

export interface UpstreamSettings {
	/** `bedrock-runtime`, `bedrock-mantle`, or the base URL that clients of a provider are given. */
	readonly upstream: string;
	readonly region: string | undefined;
	/** AWS_ENDPOINT_URL_BEDROCK_RUNTIME and _MANTLE: an endpoint other than the region's own. */
	readonly endpoints: Readonly<Record<string, string | undefined>>;
}

const MESSAGES = "/anthropic/v1/messages";
const CHAT = "/openai/v1/chat/completions";

interface Bedrock {
	readonly service: BedrockService;
	readonly endpointVariable: string;
	readonly origin: (region: string) => string;
	/** Of chat completions. Mantle serves most models at the first, and some at the second. */
	readonly chat: readonly string[];
}

const BEDROCK: Readonly<Record<string, Bedrock>> = {
	"bedrock-runtime": {
		service: "bedrock",
		endpointVariable: "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
		origin: (region) => `https://bedrock-runtime.${region}.amazonaws.com`,
		chat: [CHAT],
	},
	"bedrock-mantle": {
		service: "bedrock-mantle",
		endpointVariable: "AWS_ENDPOINT_URL_BEDROCK_MANTLE",
		origin: (region) => `https://bedrock-mantle.${region}.api.aws`,
		chat: ["/v1/chat/completions", CHAT],
	},
};

/** Sends nothing. @throws SidecarError USAGE */
export function upstreamOf({ upstream, region, endpoints }: UpstreamSettings): Upstream {
	const bedrock = Object.hasOwn(BEDROCK, upstream) ? BEDROCK[upstream] : undefined;
	if (bedrock === undefined) return providerAt(upstream);
	// It becomes a part of the host's name.
	if (region === undefined || !/^[a-z0-9-]{1,64}$/.test(region))
		throw new SidecarError("USAGE", {
			value: "AWS_REGION",
			reason: `the model endpoint needs the region of Amazon Bedrock`,
			remedy:
				"set AWS_REGION or --region, or OPENCLAW_MODEL_BASE_URL to another provider of the agent's",
		});
	const { service, endpointVariable, origin, chat } = bedrock;
	const base = safeUrl(endpoints[endpointVariable] ?? origin(region), endpointVariable);
	const at = (path: string) => new URL(path, base);
	return {
		name: upstream,
		routes: new Map<string, Route>([
			[MESSAGES, { api: "anthropic-messages", url: at(MESSAGES) }],
			...chat.map((path) => [path, { api: "openai-completions", url: at(path) }] as const),
		]),
		signing: { service, region },
	};
}

/** Both APIs, below the URL that a client of either is given; the provider knows which it has. */
function providerAt(base: string): Upstream {
	const { href } = safeUrl(base, "--model-upstream");
	const below = (path: string) => new URL(`${href.replace(/\/$/, "")}${path}`);
	return {
		name: base,
		routes: new Map<string, Route>([
			[MESSAGES, { api: "anthropic-messages", url: below("/v1/messages") }],
			[CHAT, { api: "openai-completions", url: below("/chat/completions") }],
		]),
		signing: undefined,
	};
}

/** A key or a session token never leaves this machine unencrypted. */
function safeUrl(text: string, name: string): URL {
	const url = URL.parse(text);
	const isLocal = url !== null && /^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname);
	const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLocal);
	const isPlain = url?.username === "" && url.password === "" && url.search + url.hash === "";
	if (url === null || !isSafe || !isPlain)
		throw new SidecarError("USAGE", {
			value: name,
			reason: "this is not an address to which a credential can be sent",
			remedy: "use https://host[:port][/path], or http:// with an address of this machine",
		});
	return url;
}

/** Claude's ids: `anthropic.claude-…`, also with a prefix such as `global.`, and `claude-…`. */
export function apiOf(modelId: string): ModelApi {
	return /(^|[./])(anthropic\.|claude-)/.test(modelId)
		? "anthropic-messages"
		: "openai-completions";
}

/** The base URL that an agent's client of that API is given, without the origin. */
export function basePathOf({ routes }: Upstream, api: ModelApi): string {
	const [path = ""] = [...routes].find(([, route]) => route.api === api) ?? [];
	return path.replace(
		api === "anthropic-messages" ? /\/v1\/messages$/ : /\/chat\/completions$/,
		"",
	);
}
