/**
 * Simulates InvokeAgentRuntime, which has no local server: AgentCore's HTTP API in front of a
 * machine. It wraps the machine's failures as the devguide says (424 `RuntimeClientError`,
 * "Received error (503) from runtime").
 */
import { LocalServer } from "./local-server.ts";

export interface Invocation {
	readonly path: string;
	readonly sessionId: string;
	readonly payload: Readonly<Record<string, unknown>>;
}

export interface MachineAnswer {
	readonly status: number;
	readonly body: object;
}

export class FakeRuntime implements AsyncDisposable {
	readonly invocations: Invocation[] = [];
	/** Sessions that have a machine: invoked, and not stopped. */
	readonly live = new Set<string>();
	/** Called when a session is stopped. */
	onStop: (sessionId: string) => Promise<void> | void = () => {};
	/** The machine's answer. */
	machine: (
		payload: Readonly<Record<string, unknown>>,
		sessionId: string,
	) => Promise<MachineAnswer> | MachineAnswer = () => ({
		status: 200,
		body: { response: "hello back", status: "success" },
	});
	/** An error that AgentCore itself returns, without calling the machine: its name and status. */
	refusal: { readonly name: string; readonly status: number } | undefined;
	#server: LocalServer | undefined;

	/** Points the SDK at this server. */
	static async start(): Promise<FakeRuntime> {
		const fake = new FakeRuntime();
		fake.#server = await LocalServer.start(async ({ path, headers, body }) => {
			const sessionId = String(headers["x-amzn-bedrock-agentcore-runtime-session-id"]);
			if (path.includes("/stopruntimesession")) return await fake.#stop(sessionId);
			const payload = JSON.parse(body.toString());
			fake.invocations.push({ path, sessionId, payload });
			if (fake.refusal !== undefined)
				return failure(fake.refusal.status, fake.refusal.name, "refused");
			fake.live.add(sessionId);
			const { status, body: answer } = await fake.machine(payload, sessionId);
			const message = `Received error (${status}) from runtime. Please check your CloudWatch logs for more information.`;
			if (status !== 200) return failure(424, "RuntimeClientError", message);
			return {
				status: 200,
				headers: { "content-type": "application/json" },
				body: JSON.stringify(answer),
			};
		});
		process.env.AWS_ENDPOINT_URL_BEDROCK_AGENTCORE = fake.#server.url;
		return fake;
	}

	async #stop(sessionId: string) {
		await this.onStop(sessionId);
		if (!this.live.delete(sessionId))
			return failure(404, "ResourceNotFoundException", "no such session");
		return { status: 200, body: "{}", headers: { "content-type": "application/json" } };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}

function failure(status: number, name: string, message: string) {
	return {
		status,
		headers: { "x-amzn-errortype": name, "content-type": "application/json" },
		body: JSON.stringify({ message }),
	};
}
