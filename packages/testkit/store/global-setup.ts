import {
	provideS3TestServer,
	S3ServerUnavailable,
	s3ServerOfEnvironment,
	startS3Server,
} from "./s3-server.ts";

/**
 * Starts one real S3 server for the whole run. If that is impossible, its tests are skipped with
 * one message; in CI that is an error.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
	try {
		const given = s3ServerOfEnvironment();
		if (given !== undefined) {
			provideS3TestServer(given);
			return undefined;
		}
		const server = await startS3Server();
		provideS3TestServer(server);
		return server.stop;
	} catch (error) {
		if (!(error instanceof S3ServerUnavailable) || process.env.CI === "true") throw error;
		console.warn(`The S3 tests are SKIPPED: ${error.message}`);
		return undefined;
	}
}
