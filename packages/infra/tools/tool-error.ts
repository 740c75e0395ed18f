/** A failure of a tool that a person can act on: what is wrong, and what to do next. */
const CODES = {
	USAGE: 2,
	/** Without a terminal, a question has no answer. */
	ANSWER_MISSING: 2,
	NOT_CONFIRMED: 2,
	REGION_MISSING: 2,
	OWN_ISSUER: 2,
	STACK_NOT_FOUND: 1,
	DOCTOR_FAILED: 1,
	DEPLOY_FAILED: 1,
	CREDENTIALS_MISSING: 1,
	ENDPOINT_WRONG: 1,
	ACCESS_DENIED: 1,
	USERS_CONFLICT: 1,
	SECRET_INCOMPLETE: 1,
	ROTATION_FAILED: 1,
	ERASE_NOT_PROVEN: 1,
	SMOKE_FAILED: 1,
} as const;

export type ToolErrorCode = keyof typeof CODES;

export class ToolError extends Error {
	readonly code: ToolErrorCode;
	readonly remedy: string;

	constructor(code: ToolErrorCode, message: string, remedy: string) {
		super(message);
		this.name = "ToolError";
		this.code = code;
		this.remedy = remedy;
	}

	get exitStatus(): number {
		return CODES[this.code];
	}
}

const DENIED = new Set(["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"]);

/** Failures of the SDK that have a remedy; everything else unchanged. */
export function asToolError(error: unknown): unknown {
	if (!(error instanceof Error) || error instanceof ToolError) return error;
	if (error.name === "CredentialsProviderError" || error.name === "ExpiredToken")
		return new ToolError(
			"CREDENTIALS_MISSING",
			error.message,
			"log in (`aws sso login`, `aws configure`) or set AWS_PROFILE",
		);
	if (error instanceof SyntaxError && "$response" in error)
		return new ToolError(
			"ENDPOINT_WRONG",
			"a service answered with something that is not of AWS",
			"check AWS_ENDPOINT_URL, and proxies between you and AWS",
		);
	if (DENIED.has(error.name))
		return new ToolError(
			"ACCESS_DENIED",
			error.message,
			"use a principal that may do this; to assume an operator's role, sign in with MFA (--mfa-serial), or name your role in openclaw:operators",
		);
	return error;
}
