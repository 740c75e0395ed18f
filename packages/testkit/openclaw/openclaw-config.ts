export interface GatewaySettings {
	readonly port: number;
	/** If undefined, the gateway uses `OPENCLAW_GATEWAY_TOKEN` of its environment. */
	readonly token?: string;
	/** An OpenAI-compatible API. */
	readonly modelUrl: string;
	readonly modelId: string;
}

/** The text of an `openclaw.json` for a gateway with one model, all tools and an HTTP API. */
export function openClawConfig({ port, token, modelUrl, modelId }: GatewaySettings): string {
	const model = {
		id: modelId,
		name: modelId,
		contextWindow: 128_000,
		maxTokens: 4_096,
		input: ["text"],
		reasoning: false,
		cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
	};
	return JSON.stringify(
		{
			gateway: {
				mode: "local",
				port,
				bind: "loopback",
				auth: { mode: "token", ...(token !== undefined && { token }) },
				http: { endpoints: { chatCompletions: { enabled: true } } },
			},
			agents: {
				defaults: { model: { primary: `fake/${modelId}` }, models: { [`fake/${modelId}`]: {} } },
			},
			tools: { profile: "full" },
			models: {
				mode: "merge",
				providers: {
					fake: { baseUrl: modelUrl, api: "openai-completions", apiKey: "none", models: [model] },
				},
			},
		},
		undefined,
		2,
	);
}
