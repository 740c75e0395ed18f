import { afterEach, describe, expect, it } from "vitest";
import {
	type Answer,
	answer,
	s3Error,
	startFaultServer,
} from "../../../testkit/store/fault-server.ts";
import { S3Store } from "./s3.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

async function facing(respond: Answer) {
	const server = await startFaultServer(respond);
	const credentials = { accessKeyId: "a", secretAccessKey: "b" };
	const store = await S3Store.open({
		bucket: "bucket",
		endpoint: server.endpoint,
		region: "x",
		credentials,
		backoffMs: [1, 1],
	});
	undo.push(
		() => store.close(),
		() => server.stop(),
	);
	return { store, server };
}

const page = (status: number) =>
	answer(status, { "content-type": "text/html" }, `<html><body>${status}</body></html>`);
const REFUSED = "STORE_REFUSED";
const FULL = "STORE_FULL";

describe("a PUT that is certainly refused", () => {
	it.each<[string, string, RegExp, Answer]>([
		["400 InvalidArgument", REFUSED, /code and message/, s3Error(400, "InvalidArgument")],
		["400 InvalidRequest", REFUSED, /code and message/, s3Error(400, "InvalidRequest")],
		["400 InvalidBucketName", REFUSED, /--store/, s3Error(400, "InvalidBucketName")],
		["400 KMS.DisabledException", REFUSED, /KMS key/, s3Error(400, "KMS.DisabledException")],
		["400 KMS.NotFoundException", REFUSED, /KMS key/, s3Error(400, "KMS.NotFoundException")],
		["403 KMS.DisabledException", REFUSED, /KMS key/, s3Error(403, "KMS.DisabledException")],
		["403 InvalidObjectState", REFUSED, /archive/, s3Error(403, "InvalidObjectState")],
		["405 MethodNotAllowed", REFUSED, /--endpoint/, s3Error(405, "MethodNotAllowed")],
		["405 of a proxy", REFUSED, /--endpoint/, page(405)],
		["411 MissingContentLength", REFUSED, /Content-Length/, s3Error(411, "MissingContentLength")],
		["411 of a proxy", REFUSED, /Content-Length/, page(411)],
		["400 EntityTooLarge", REFUSED, /limit for objects/, s3Error(400, "EntityTooLarge")],
		["413 EntityTooLarge", REFUSED, /limit for objects/, s3Error(413, "EntityTooLarge")],
		["413 of a proxy", REFUSED, /limit for objects/, page(413)],
		["414 of a proxy", REFUSED, /code and message/, page(414)],
		["431 of a proxy", REFUSED, /code and message/, page(431)],
		// @id s3-507-store-full
		["507 XMinioStorageFull", FULL, /quota/, s3Error(507, "XMinioStorageFull")],
		["507 of a proxy", FULL, /quota/, page(507)],
		["403 QuotaExceeded", FULL, /quota/, s3Error(403, "QuotaExceeded")],
		[
			"400 XMinioAdminBucketQuotaExceeded",
			FULL,
			/quota/,
			s3Error(400, "XMinioAdminBucketQuotaExceeded"),
		],
		[
			"400 AuthorizationHeaderMalformed",
			REFUSED,
			/--region/,
			s3Error(400, "AuthorizationHeaderMalformed"),
		],
		["301 PermanentRedirect", REFUSED, /--region/, s3Error(301, "PermanentRedirect")],
		[
			"400 about a checksum header",
			REFUSED,
			/AWS_REQUEST_CHECKSUM_CALCULATION=when_required/,
			s3Error(
				400,
				"InvalidArgument",
				"Unsupported header 'x-amz-checksum-crc32' received for this API call.",
			),
		],
		[
			"501 about a checksum header",
			REFUSED,
			/AWS_REQUEST_CHECKSUM_CALCULATION=when_required/,
			s3Error(
				501,
				"NotImplemented",
				"Header 'x-amz-sdk-checksum-algorithm' with value 'CRC32' not implemented",
			),
		],
		[
			"400 that demands a checksum",
			REFUSED,
			/unset AWS_REQUEST_CHECKSUM_CALCULATION/,
			s3Error(
				400,
				"InvalidRequest",
				"Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
			),
		],
		[
			"400 about encryption",
			REFUSED,
			/--sse/,
			s3Error(400, "InvalidArgument", "x-amz-server-side-encryption is not supported"),
		],
		["403 AccessDenied", "STORE_ACCESS_DENIED", /--sse/, s3Error(403, "AccessDenied")],
		[
			"403 AccessDenied of a KMS key",
			"STORE_ACCESS_DENIED",
			/kms:GenerateDataKey/,
			s3Error(
				403,
				"AccessDenied",
				"User: x is not authorized to perform: kms:GenerateDataKey on resource: y",
			),
		],
		["403 AccountProblem", "STORE_ACCESS_DENIED", /policy/, s3Error(403, "AccountProblem")],
	])("%s is %s after one request, with a remedy that fits", async (name, code, remedy, respond) => {
		const { store, server } = await facing(respond);
		const refused = store.putIfAbsent("log/1", Buffer.from("x"));
		await expect(refused).rejects.toMatchObject({
			name: "SidecarError",
			code,
			remedy: expect.stringMatching(remedy),
		});
		// Always the status, and the store's own code if it sent one.
		const words = name.replace(/ (of|about|that).*/, "");
		await expect(refused).rejects.toThrow(
			/checksum|demands|encryption/.test(name) ? words.slice(0, 3) : words,
		);
		expect(server.requests).toHaveLength(1);
	});
});
