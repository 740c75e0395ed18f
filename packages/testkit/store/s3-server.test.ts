import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { s3ServerOfEnvironment, s3TestServer } from "./s3-server.ts";

const MODULE = JSON.stringify(new URL("s3-server.ts", import.meta.url).href);

describe("s3ServerOfEnvironment", () => {
	const credentials = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };

	it("returns undefined without S3_TEST_ENDPOINT, whatever else is set", () => {
		expect(s3ServerOfEnvironment(credentials)).toBeUndefined();
	});

	it("reads credentials and region from the usual variables", () => {
		const env = {
			...credentials,
			S3_TEST_ENDPOINT: "http://host:1",
			AWS_SESSION_TOKEN: "token",
			AWS_REGION: "eu-west-1",
		};
		const expected = {
			endpoint: "http://host:1",
			region: "eu-west-1",
			accessKeyId: "id",
			secretAccessKey: "secret",
			sessionToken: "token",
		};
		expect(s3ServerOfEnvironment(env)).toEqual(expected);
	});

	it("names the missing variables", () => {
		expect(() => s3ServerOfEnvironment({ S3_TEST_ENDPOINT: "http://host:1" })).toThrow(
			"AWS_ACCESS_KEY_ID",
		);
	});
});

/** Only a run with a server has certainly built it. */
describe.skipIf(s3TestServer() === undefined || process.env.S3_TEST_ENDPOINT)(
	"startS3Server in a plain script",
	() => {
		let temporary: string;
		beforeEach(async () => {
			temporary = await mkdtemp(join(tmpdir(), "s3-server-test-"));
		});
		afterEach(() => rm(temporary, { recursive: true }));

		/** Runs a script with its own server, whose data is below `temporary`. */
		async function run(script: string): Promise<{ endpoint: string }> {
			const text = `
			import { makeBucket, startS3Server } from ${MODULE};
			const server = await startS3Server();
			await makeBucket(server);
			console.log(server.endpoint);
			${script}`;
			const env = { ...process.env, TMPDIR: temporary };
			const { stdout } = await promisify(execFile)(
				process.execPath,
				["--input-type=module", "-e", text],
				{ env },
			);
			return { endpoint: stdout.trim() };
		}

		const responds = (endpoint: string) =>
			fetch(endpoint).then(
				() => true,
				() => false,
			);

		it.each([
			["is told to", "await server.stop();"],
			["forgets to", ""],
			["exits", "process.exit(0);"],
		])("ends the server and removes its data when the script %s", async (_, script) => {
			const { endpoint } = await run(script);
			expect(endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
			// It was killed but may not have ended yet.
			await expect.poll(() => responds(endpoint)).toBe(false);
			expect(await readdir(temporary)).toEqual([]);
		});
	},
);
