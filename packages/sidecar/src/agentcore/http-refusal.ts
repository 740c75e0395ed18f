/** Failures over HTTP: a status, and `{code, message, remedy}` as JSON. */
import { type ErrorCode, type ErrorDetail, SidecarError } from "../errors.ts";

export interface RefusalBody {
	readonly code: ErrorCode;
	readonly message: string;
	readonly remedy: string;
}

/** An error answer, thrown while preparing a response. */
export class HttpRefusal extends Error {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly error: SidecarError;

	constructor(status: number, error: SidecarError, headers: Readonly<Record<string, string>> = {}) {
		super(error.message, { cause: error });
		this.status = status;
		this.headers = headers;
		this.error = error;
	}

	get body(): RefusalBody {
		const { code, message, remedy } = this.error;
		return { code, message, remedy };
	}
}

/** The agent failed before its answer had begun. */
export class AgentFailure extends HttpRefusal {
	/** The status of its own answer. */
	readonly agentStatus: number;

	constructor(agentStatus: number, error: SidecarError) {
		super(502, error);
		this.agentStatus = agentStatus;
	}
}

export function refuse(
	status: number,
	code: ErrorCode,
	detail: ErrorDetail,
	headers?: Readonly<Record<string, string>>,
): HttpRefusal {
	return new HttpRefusal(status, new SidecarError(code, detail), headers);
}

/** @param retryAfterS whole seconds */
export function refuseForNow(reason: string, retryAfterS: number): HttpRefusal {
	return refuse(503, "NOT_READY", { reason }, { "retry-after": String(retryAfterS) });
}

const RETRY_AFTER_S = "5";

/** Converts any error to an answer. The text of an unexpected one stays in the log. */
export function refusalOf(error: unknown): HttpRefusal {
	if (error instanceof HttpRefusal) return error;
	if (!(error instanceof SidecarError)) return refuse(500, "INTERNAL", {});
	switch (error.code) {
		case "IDENTITY_REFUSED":
			return new HttpRefusal(401, error, { "www-authenticate": 'Bearer error="invalid_token"' });
		case "NAMESPACE_FOREIGN":
			return new HttpRefusal(403, error);
		case "NOT_READY":
		case "ISSUER_UNREACHABLE":
		case "STORE_REFUSED":
		case "STORE_FULL":
			return new HttpRefusal(503, error, { "retry-after": RETRY_AFTER_S });
		case "AGENT_UNREACHABLE":
		case "TURN_INTERRUPTED":
			return new HttpRefusal(502, error);
		default:
			// 6: denied; 7: unreachable, and the next request tries again.
			if (error.category === "refused") return new HttpRefusal(403, error);
			if (error.category === "unreachable")
				return new HttpRefusal(503, error, { "retry-after": RETRY_AFTER_S });
			return new HttpRefusal(500, error);
	}
}
