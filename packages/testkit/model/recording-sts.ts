/**
 * Forwards requests to the STS of an S3 server, and remembers the sessions that it grants, so that a
 * `FakeBedrock` can check what they sign. Such a server knows no service but S3, so it gets only the
 * statements of a session's policy that are about S3.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { KeyPair } from "./verify-signature.ts";

export interface GrantedSession extends Required<KeyPair> {
	/** `sub` of the token that was traded for it. */
	readonly user: string;
	/** The session's own policy, as it was asked for. */
	readonly policy: string;
}

export class RecordingSts implements AsyncDisposable {
	readonly url: string;
	readonly sessions: GrantedSession[] = [];
	readonly #server: Server;

	private constructor(server: Server, upstream: string, known: Map<string, KeyPair>) {
		this.#server = server;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		server.on("request", async (request, response) => {
			const form = new URLSearchParams(await text(request));
			const policy = form.get("Policy") ?? "";
			if (policy !== "") form.set("Policy", aboutS3(policy));
			const answer = await fetch(upstream, {
				method: "POST",
				body: form,
			});
			const xml = await answer.text();
			const elementOf = (name: string) =>
				new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1] ?? "";
			if (answer.ok) {
				const session = {
					accessKeyId: elementOf("AccessKeyId"),
					secretAccessKey: elementOf("SecretAccessKey"),
					sessionToken: elementOf("SessionToken"),
					user: subjectOf(form.get("WebIdentityToken") ?? ""),
					policy,
				};
				this.sessions.push(session);
				known.set(session.accessKeyId, session);
			}
			response.writeHead(answer.status, { "content-type": "text/xml" }).end(xml);
		});
	}

	/** @param known gets each new session */
	static async start(upstream: string, known: Map<string, KeyPair>): Promise<RecordingSts> {
		const server = createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		return new RecordingSts(server, upstream, known);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}
}

interface Statement {
	readonly Action: string | readonly string[];
}

function aboutS3(policy: string): string {
	const { Statement: statements, ...rest } = JSON.parse(policy) as {
		readonly Statement: readonly Statement[];
	};
	const isAboutS3 = ({ Action }: Statement) =>
		[Action].flat().every((action) => action.startsWith("s3:"));
	return JSON.stringify({ ...rest, Statement: statements.filter(isAboutS3) });
}

function subjectOf(token: string): string {
	const [, payload = ""] = token.split(".");
	return JSON.parse(Buffer.from(payload, "base64url").toString()).sub;
}
