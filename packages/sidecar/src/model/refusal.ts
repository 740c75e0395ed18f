/**
 * Failures in the form of the API that the agent speaks. The agent gets the provider's own message,
 * without the names of AWS accounts and roles, because agents act on it: they shorten a conversation
 * that is too long. The operator gets a code and a remedy in the log.
 */
import { printable, SidecarError } from "../errors.ts";
import type { ModelApi } from "./upstream.ts";

/** A status, with the word that each API has for it. */
const TYPES: Readonly<Record<number, readonly [anthropic: string, openAi: string]>> = {
	400: ["invalid_request_error", "invalid_request_error"],
	401: ["authentication_error", "invalid_api_key"],
	403: ["permission_error", "permission_denied"],
	404: ["not_found_error", "not_found"],
	413: ["request_too_large", "invalid_request_error"],
	429: ["rate_limit_error", "rate_limit_exceeded"],
	503: ["overloaded_error", "server_error"],
};
const OTHER = ["api_error", "server_error"] as const;

export class ModelRefusal extends Error {
	readonly status: number;
	readonly error: SidecarError;
	readonly headers: Readonly<Record<string, string>>;

	/** @param message for the agent */
	constructor(
		status: number,
		message: string,
		error: SidecarError,
		headers: Readonly<Record<string, string>> = {},
	) {
		super(message, { cause: error });
		this.status = status;
		this.error = error;
		this.headers = headers;
	}

	body(api: ModelApi): string {
		const [anthropic, openAi] = TYPES[this.status] ?? OTHER;
		const { message } = this;
		return JSON.stringify(
			api === "anthropic-messages"
				? { type: "error", error: { type: anthropic, message } }
				: { error: { message, type: openAi, param: null, code: openAi } },
		);
	}
}

/** Neither client waits and asks again by itself. */
export const NO_RETRY = { "x-should-retry": "false" };

/** An answer of the provider's that is no success. */
export interface ProviderFailure {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	/** The beginning of the body. */
	readonly text: string;
	/** AWS's name of the error, from a header. */
	readonly errorType: string | undefined;
}

/** `bedrock-runtime` answers 403 for this too, `bedrock-mantle` 401. */
export function isExpired({ status, text, errorType }: ProviderFailure): boolean {
	return (
		status === 401 ||
		(status === 403 &&
			// The text repeats what the agent sent, so it counts only if AWS names no type.
			/^(?:\w+#)?(?:ExpiredToken(?:Exception)?|InvalidClientTokenId|UnrecognizedClientException)\b|security token included in the request is (?:expired|invalid)/.test(
				errorType ?? text,
			))
	);
}

/** @param model as the agent named it */
export function refusalOf(model: string, failure: ProviderFailure): ModelRefusal {
	const { status, headers } = failure;
	const message = redacted(messageOf(failure));
	const refusal = (
		answered: number,
		code: ConstructorParameters<typeof SidecarError>[0],
		told = message,
	) => {
		const reason = `HTTP ${status}: ${printable(message)}`;
		return new ModelRefusal(
			answered,
			told,
			new SidecarError(code, { value: model, reason }),
			headers,
		);
	};
	// Who may do what in the account is not the agent's business.
	if (status === 401 || status === 403)
		return refusal(403, "MODEL_DENIED", "the operator's account may not use this model");
	if (status === 404 || (status === 400 && isUnknownModel(message)))
		return refusal(status, "MODEL_NOT_SERVED");
	if (status === 429) return refusal(429, "MODEL_THROTTLED");
	if (status >= 400 && status < 500) return refusal(status, "MODEL_REQUEST_REFUSED");
	return refusal(status === 503 || status === 529 ? 503 : 502, "MODEL_UNREACHABLE");
}

/**
 * AWS's texts for an unknown id, for a model that needs an inference profile, and for a model that
 * has another API or path.
 */
const isUnknownModel = (message: string) =>
	/model identifier is invalid|on-demand throughput|isn.t supported on this route|does not support the '|model.{0,80}(does not exist|not found)/i.test(
		message,
	);

function messageOf({ status, text }: ProviderFailure): string {
	try {
		const { error, message, Message } = JSON.parse(text);
		const found = error?.message ?? message ?? Message;
		if (typeof found === "string" && found !== "") return found;
	} catch {
		// A proxy's page, for example: nothing that a client could act on.
	}
	return `the model provider answered ${status}`;
}

/** If a signature is wrong, AWS repeats the headers it was sent, the session's token included. */
const redacted = (message: string) =>
	message
		.replace(
			/(security-token|authorization|x-api-key)(["']?\s*[:=]\s*["']?)[^"'\n]+/gi,
			"$1$2[redacted]",
		)
		.replace(/AWS4-HMAC-SHA256[^\n]*/g, "[signature]")
		.replace(/\b(?:AKIA|ASIA)[A-Z0-9]+/g, "[key]")
		.replace(/arn:aws[\w-]*:[^\s"',)]+/g, "[arn]")
		.replace(/\b\d{12}\b/g, "[account]");
