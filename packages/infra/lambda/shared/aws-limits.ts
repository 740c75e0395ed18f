/**
 * Limits for the calls that a channel waits for. It gives up after 3 s, which must include a second
 * attempt.
 */
export const QUICK = {
	maxAttempts: 2,
	requestHandler: { connectionTimeout: 500, requestTimeout: 1_000, throwOnRequestTimeout: true },
} as const;
