/**
 * Sends a request to the model's provider. A credential that has ended is renewed once, and the
 * request is sent again; nothing of an answer was passed on by then.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { SidecarError } from "../errors.ts";
import type { ModelCredential, ToAuthorize } from "./credential.ts";
import { isExpired, ModelRefusal, type ProviderFailure, refusalOf } from "./refusal.ts";

export interface ToSend extends ToAuthorize {
	readonly model: string;
}

/** The platform's own limit: a model may think for long, and a stream may pause. */
const IDLE_TIMEOUT_MS = 15 * 60_000;
const MAX_ERROR_BYTES = 64 * 1024;

export class ModelProvider {
	readonly #credential: ModelCredential;
	/**
	 * A new connection for each request: one that was open while the machine was frozen answers
	 * nothing. It costs two round trips in the region.
	 */
	readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };

	/** @throws SidecarError USAGE: the address of the proxy */
	constructor(credential: ModelCredential) {
		this.#credential = credential;
		const options = { keepAlive: false };
		try {
			this.#agents = {
				// Only for addresses of this machine.
				http: new HttpAgent(options),
				https: new HttpsAgent({ ...options, proxyEnv: process.env }),
			};
		} catch {
			// Its message may contain the proxy's password.
			throw new SidecarError("USAGE", {
				reason: "HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy",
				remedy: "use http://host:port or https://host:port",
			});
		}
	}

	/**
	 * @returns a success, whose body is unread
	 * @throws ModelRefusal, or the signal's reason
	 */
	async send(sending: ToSend, signal: AbortSignal): Promise<IncomingMessage> {
		for (let isSecond = false; ; isSecond = true) {
			const { headers, renew } = await credentialOr403(this.#credential.authorize(sending));
			const response = await this.#once(sending, headers, signal);
			const { statusCode: status = 0 } = response;
			if (status >= 200 && status < 300) return response;
			const failure = await failureOf(response, status, signal);
			if (isSecond || renew === undefined || !isExpired(failure))
				throw refusalOf(sending.model, failure);
			await credentialOr403(renew());
		}
	}

	close(): void {
		this.#agents.http.destroy();
		this.#agents.https.destroy();
	}

	async #once(
		{ route: { url }, body, model }: ToSend,
		headers: Readonly<Record<string, string>>,
		signal: AbortSignal,
	): Promise<IncomingMessage> {
		const isTls = url.protocol === "https:";
		const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
		const request = (isTls ? httpsRequest : httpRequest)(url, {
			method: "POST",
			headers: { ...headers, "content-length": body.length },
			agent: isTls ? this.#agents.https : this.#agents.http,
			timeout: IDLE_TIMEOUT_MS,
			signal,
		});
		request.on("response", resolve);
		request.on("timeout", () => request.destroy(new Error(`silent for ${IDLE_TIMEOUT_MS} ms`)));
		request.on("error", reject);
		request.end(body);
		try {
			return await promise;
		} catch (cause) {
			signal.throwIfAborted();
			const { code, message } = cause as NodeJS.ErrnoException;
			const error = new SidecarError("MODEL_UNREACHABLE", {
				value: url.host,
				reason: code ?? message,
			});
			throw new ModelRefusal(502, `the provider of ${model} does not answer`, error);
		}
	}
}

/** The user's credentials cannot be had: their own error is for the operator. */
async function credentialOr403<T>(authorized: Promise<T>): Promise<T> {
	try {
		return await authorized;
	} catch (error) {
		if (!(error instanceof SidecarError)) throw error;
		const isPassing = error.category === "unreachable";
		throw new ModelRefusal(
			isPassing ? 503 : 403,
			"there is no credential for the model now",
			error,
		);
	}
}

async function failureOf(
	response: IncomingMessage,
	status: number,
	signal: AbortSignal,
): Promise<ProviderFailure> {
	const { "retry-after": retryAfter, "x-amzn-errortype": errorType } = response.headers;
	const parts: Buffer[] = [];
	let sizeBytes = 0;
	try {
		for await (const part of response as AsyncIterable<Buffer>) {
			parts.push(part);
			sizeBytes += part.length;
			if (sizeBytes > MAX_ERROR_BYTES) break;
		}
	} catch {
		// What has arrived must do.
		signal.throwIfAborted();
	}
	return {
		status,
		headers: retryAfter === undefined ? {} : { "retry-after": retryAfter },
		text: Buffer.concat(parts).toString("utf8"),
		errorType: typeof errorType === "string" ? errorType : undefined,
	};
}
