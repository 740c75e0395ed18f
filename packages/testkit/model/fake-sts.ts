/**
 * Simulates AWS's STS: trades any token or signature for a new session, and remembers the policy that
 * was asked for. Its sessions are the ones that a `FakeBedrock` is told to accept.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { KeyPair } from "./verify-signature.ts";

export interface FakeSession extends Required<KeyPair> {
	readonly action: string;
	readonly roleArn: string;
	readonly name: string;
	readonly policy: string;
}

const DURATION_MS = 3_600_000;

export class FakeSts implements AsyncDisposable {
	readonly url: string;
	readonly sessions: FakeSession[] = [];
	readonly #server: Server;

	private constructor(server: Server, known: Map<string, KeyPair>) {
		this.#server = server;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		server.on("request", async (request, response) => {
			const form = new URLSearchParams(await text(request));
			const number = this.sessions.length + 1;
			const session: FakeSession = {
				accessKeyId: `ASIASESSION${number}`,
				secretAccessKey: `session-secret-CANARY-${number}`,
				sessionToken: `session-token-CANARY-${number}`,
				action: form.get("Action") ?? "",
				roleArn: form.get("RoleArn") ?? "",
				name: form.get("RoleSessionName") ?? "",
				policy: form.get("Policy") ?? "",
			};
			this.sessions.push(session);
			known.set(session.accessKeyId, session);
			response
				.writeHead(200, { "content-type": "text/xml" })
				.end(
					`<${session.action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${session.action}Result><Credentials>` +
						`<AccessKeyId>${session.accessKeyId}</AccessKeyId><SecretAccessKey>${session.secretAccessKey}</SecretAccessKey>` +
						`<SessionToken>${session.sessionToken}</SessionToken><Expiration>${new Date(Date.now() + DURATION_MS).toISOString()}</Expiration>` +
						`</Credentials></${session.action}Result></${session.action}Response>`,
				);
		});
	}

	/** @param known gets each new session */
	static async start(known: Map<string, KeyPair>): Promise<FakeSts> {
		const server = createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		return new FakeSts(server, known);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}
}
