import { describe } from "vitest";
import { makeBucket, s3TestServer } from "../../test/s3-server.ts";
import { describeObjectStore } from "./conformance.ts";
import { S3Store } from "./s3.ts";

const server = s3TestServer();

describe.skipIf(server === undefined)("with a real server", () => {
	describeObjectStore("S3Store", async () => {
		const { endpoint, region, ...credentials } = server!;
		const store = await S3Store.open({ bucket: await makeBucket(), prefix: "some/where", endpoint, region, credentials });
		return { store, cleanup: () => store.close() };
	});
});
