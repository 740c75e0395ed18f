import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { addressOf } from "./s3-endpoint.ts";

/** Where AWS's own SDK sends a GET of `bucket/key`. */
async function sdkUrl(
	settings: {
		readonly region: string;
		readonly endpoint?: string | undefined;
		readonly pathStyle: boolean;
		readonly fips: boolean;
		readonly dualstack: boolean;
	},
	bucket: string,
): Promise<string> {
	const client = new S3Client({
		region: settings.region,
		...(settings.endpoint && { endpoint: settings.endpoint }),
		forcePathStyle: settings.pathStyle,
		useFipsEndpoint: settings.fips,
		useDualstackEndpoint: settings.dualstack,
		credentials: { accessKeyId: "a", secretAccessKey: "b" },
		maxAttempts: 1,
	});
	let url = "";
	client.middlewareStack.add(
		() =>
			async ({ request }) => {
				const { protocol, hostname, port, path } = request as Record<string, string | undefined>;
				url = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
				throw new Error("not sent");
			},
		{ step: "finalizeRequest", priority: "low" },
	);
	await client.send(new GetObjectCommand({ Bucket: bucket, Key: "key" })).catch(() => {});
	return url;
}

const REGIONS = [
	"us-east-1",
	"eu-west-1",
	"us-gov-west-1",
	"cn-north-1",
	"eusc-de-east-1",
	"us-iso-east-1",
	"us-isob-east-1",
	"us-isof-south-1",
	"eu-isoe-west-1",
];

describe("a bucket's address", () => {
	it.each(REGIONS)("in %s is the one that AWS's SDK uses", async (region) => {
		const isIso = /-iso/.test(region);
		for (const bucket of ["bucket", "dotted.bucket"])
			for (const pathStyle of [false, true])
				for (const fips of [false, true])
					for (const dualstack of [false, true]) {
						// The SDK knows no such endpoints there.
						if ((isIso && dualstack) || (region.startsWith("cn-") && fips)) continue;
						const settings = { endpoint: undefined, region, pathStyle, fips, dualstack };
						const { origin, path } = addressOf(settings, bucket);
						expect(`${origin}${path}/key`).toBe(await sdkUrl(settings, bucket));
					}
	});

	it.each([
		"http://localhost:9000",
		"http://127.0.0.1:9000",
		"https://[::1]:9000",
		"https://s3.example.com",
		"https://s3.example.com/base",
		"https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com",
	])("at %s is the one that AWS's SDK uses", async (endpoint) => {
		for (const bucket of ["bucket", "dotted.bucket"])
			for (const pathStyle of [false, true]) {
				// The SDK refuses it, although the path would do.
				if (endpoint === "http://127.0.0.1:9000" && bucket !== "bucket" && !pathStyle) continue;
				const settings = {
					endpoint,
					region: "eu-west-1",
					pathStyle,
					fips: false,
					dualstack: false,
				};
				const { origin, path } = addressOf(settings, bucket);
				expect(`${origin}${path}/key`).toBe(await sdkUrl(settings, bucket));
			}
	});
});
