/**
 * Of the calls that a channel waits for: it gives up after 3 s, and a second attempt must fit in.
 */
export const QUICK = {
	maxAttempts: 2,
	requestHandler: { connectionTimeout: 500, requestTimeout: 1_000, throwOnRequestTimeout: true },
} as const;
