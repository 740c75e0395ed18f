import { type ErrorCode, type ErrorDetail, SidecarError, toSidecarError } from "../errors.ts";
import type { ApiError } from "./api.ts";

/** A request that is refused before anything was read. */
export class Refusal extends Error {
	readonly status: 400 | 401 | 403 | 404 | 413 | 415;
	readonly error: SidecarError;

	constructor(status: Refusal["status"], code: ErrorCode, detail: ErrorDetail) {
		const error = new SidecarError(code, detail);
		super(error.message);
		this.status = status;
		this.error = error;
	}
}

const NOT_FOUND = new Set<ErrorCode>(["PATH_NOT_FOUND", "COMMIT_NOT_FOUND", "COMMIT_EXPIRED"]);

export function statusOf(error: unknown): 400 | 401 | 403 | 404 | 413 | 415 | 409 | 500 | 502 {
	if (error instanceof Refusal) return error.status;
	const { code, category } = toSidecarError(error);
	if (NOT_FOUND.has(code)) return 404;
	if (category === "bug") return 500;
	if (category === "usage") return code === "WORKSPACE_BUSY" ? 409 : 400;
	return 502;
}

/** The text of an unexpected error stays in the log. */
export function bodyOf(error: unknown): ApiError {
	const known = error instanceof Refusal ? error.error : toSidecarError(error);
	const { code, message, remedy } = code500(known) ? new SidecarError("INTERNAL") : known;
	return { code, message, remedy };
}

const code500 = ({ code }: SidecarError) => code === "INTERNAL";
