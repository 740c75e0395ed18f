import { describe, expect, test } from "vitest";
import { SidecarError } from "../errors.ts";
import { recordingLogger } from "../telemetry/logger.ts";
import { type AwsCredentials, RenewingCredentials } from "./renewing-credentials.ts";

const HOUR_MS = 3_600_000;

function source() {
	const state = { nowMs: 1e12, asked: 0, failure: undefined as SidecarError | undefined };
	const logger = recordingLogger();
	const fetch = async (): Promise<AwsCredentials> => {
		state.asked++;
		if (state.failure !== undefined) throw state.failure;
		return {
			accessKeyId: `key-${state.asked}`,
			secretAccessKey: "S3CRET",
			expiration: new Date(state.nowMs + HOUR_MS),
		};
	};
	const credentials = new RenewingCredentials(fetch, logger, () => state.nowMs);
	return { state, logger, credentials, key: async () => (await credentials.provide()).accessKeyId };
}

describe("renewing credentials", () => {
	test("are requested on first use, once for all waiting callers, and kept until five minutes before their end", async () => {
		const { state, key } = source();
		expect(state.asked).toBe(0);
		expect(await Promise.all([key(), key(), key()])).toEqual(["key-1", "key-1", "key-1"]);
		state.nowMs += HOUR_MS - 300_001;
		expect(await key()).toBe("key-1");
		state.nowMs += 1;
		// Callers need not wait while new ones are being fetched.
		expect(await Promise.all([key(), key()])).toEqual(["key-2", "key-1"]);
		expect([await key(), state.asked]).toEqual(["key-2", 2]);
	});

	// @id credentials-renewed-after-freeze
	test("are renewed on the first use after a machine was frozen for days", async () => {
		const { state, key } = source();
		await key();
		state.nowMs += 72 * HOUR_MS;
		expect(await key()).toBe("key-2");
	});

	test("that cannot be renewed are used until their end, with a retry every ten seconds, and not afterwards", async () => {
		const { state, logger, key } = source();
		await key();
		state.failure = new SidecarError("STORE_UNREACHABLE", { reason: "STS" });
		state.nowMs += HOUR_MS - 60_000;
		expect([await key(), await key()]).toEqual(["key-1", "key-1"]);
		expect(state.asked).toBe(2);
		state.nowMs += 10_000;
		await key();
		expect(state.asked).toBe(3);
		expect(logger.events.filter(({ event }) => event === "credentials.not-renewed")).toHaveLength(
			2,
		);
		state.nowMs += 60_000;
		await expect(key()).rejects.toBe(state.failure);
		state.failure = undefined;
		expect(await key()).toBe("key-5");
	});

	// @id credentials-renewed-once
	test("are renewed once after a refusal, however many requests were refused", async () => {
		const { credentials, key } = source();
		await key();
		const { generation } = credentials;
		await Promise.all([credentials.renewAfter(generation), credentials.renewAfter(generation)]);
		await credentials.renewAfter(generation);
		expect(await key()).toBe("key-2");
	});

	test("leave no secret in the log", async () => {
		const { logger, key } = source();
		await key();
		expect(JSON.stringify(logger.events)).not.toMatch(/S3CRET|key-1/);
		expect(logger.events).toHaveLength(1);
	});
});
