/**
 * Simulates AgentCore: starts machines with the real command, pings them, invokes them, and ends
 * them.
 */
import { fileURLToPath } from "node:url";
import type { CliProcess, Ended, Place, StartOptions } from "../cli.ts";
import { freePort } from "../free-port.ts";

/** The small agent for the platform: `platform-agent.ts PORT DIRECTORY`. */
export const PLATFORM_AGENT = fileURLToPath(new URL("./platform-agent.ts", import.meta.url));

export interface Ping {
	readonly status: "Healthy" | "HealthyBusy";
	readonly time_of_last_update: number;
}

export interface MachineOptions extends StartOptions {
	/** The agent's command. Default: the small agent. */
	readonly agent?: (port: number, workspace: string) => readonly string[];
}

const platformAgent = (port: number, workspace: string) => [
	process.execPath,
	PLATFORM_AGENT,
	String(port),
	workspace,
];

export class PlatformMachine implements AsyncDisposable {
	readonly process: CliProcess;
	readonly url: string;

	private constructor(process: CliProcess, url: string) {
		this.process = process;
		this.url = url;
	}

	/**
	 * A fresh machine of that name, running and without any request so far. Puts further `args`
	 * before the agent's command.
	 */
	static async boot(
		place: Place,
		name: string,
		args: readonly string[] = [],
		{ agent = platformAgent, ...options }: MachineOptions = {},
	): Promise<PlatformMachine> {
		const port = await freePort();
		const cadence = ["--quiet-period", "20ms"];
		const contract = ["--listen", "127.0.0.1:0", "--agent-url", `http://127.0.0.1:${port}`];
		const machine = place.start(
			name,
			["run", ...contract, ...cadence, ...args, "--", ...agent(port, place.path(name))],
			options,
		);
		const { port: own } = await machine.waitForEvent("server.listening");
		return new PlatformMachine(machine, `http://127.0.0.1:${own}`);
	}

	async ping(): Promise<Ping> {
		return (await (await fetch(`${this.url}/ping`)).json()) as Ping;
	}

	async status(): Promise<Record<string, unknown>> {
		return (await (await fetch(`${this.url}/status`)).json()) as Record<string, unknown>;
	}

	async invoke(
		body: object,
		token?: string,
		headers: Record<string, string> = {},
	): Promise<Response> {
		return await fetch(`${this.url}/invocations`, {
			method: "POST",
			headers: {
				"content-type": "application/json",
				...(token !== undefined && { authorization: `Bearer ${token}` }),
				...headers,
			},
			body: JSON.stringify(body),
		});
	}

	/** The text of the answer to a prompt. */
	async ask(prompt: string, token?: string): Promise<string> {
		const response = await this.invoke({ prompt }, token);
		const answer = (await response.json()) as {
			readonly response?: string;
			readonly code?: string;
		};
		return answer.response ?? `${response.status} ${answer.code}`;
	}

	/** Ends it as the platform ends an idle machine. */
	async end(): Promise<Ended> {
		return await this.process.stop("SIGTERM");
	}

	/** Never uses SIGKILL: the agent would survive and keep its output open. */
	async [Symbol.asyncDispose](): Promise<void> {
		await this.end();
	}
}
