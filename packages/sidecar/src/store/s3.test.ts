import { beforeAll, describe, expect, it } from "vitest";
import { describeObjectStore, describeSweepableStore } from "../../../testkit/store/conformance.ts";
import {
	makeBucket,
	makeRestrictedUser,
	type S3Credentials,
	s3TestServer,
} from "../../../testkit/store/s3-server.ts";
import { S3Store } from "./s3.ts";

/** Against a real server. `s3-faults.test.ts` covers servers that fail. */

const server = s3TestServer();

describe.skipIf(server === undefined)("with a real server", () => {
	let bucket: string;
	beforeAll(async () => {
		bucket = await makeBucket();
	});

	/** Closed at the end of the process. */
	async function open(
		prefix: string,
		credentials?: S3Credentials,
		name = bucket,
	): Promise<S3Store> {
		const { endpoint, region, ...root } = server!;
		return await S3Store.open({
			bucket: name,
			prefix,
			endpoint,
			region,
			credentials: credentials ?? root,
		});
	}

	async function keysOf(store: S3Store, prefix = ""): Promise<string[]> {
		const keys: string[] = [];
		for await (const page of store.list(prefix)) keys.push(...page.objects.map(({ key }) => key));
		return keys;
	}

	const put = (store: S3Store, key: string) => store.putIfAbsent(key, Buffer.from(key));

	for (const describeStore of [describeObjectStore, describeSweepableStore]) {
		describeStore("S3Store", async () => {
			const store = await open("some/where", undefined, await makeBucket());
			return { store, cleanup: () => store.close() };
		});
	}

	it("may delete only if a policy allows it", async () => {
		const store = await open("denied");
		await put(store, "log/1");
		const policy = {
			Version: "2012-10-17",
			Statement: [
				{
					Effect: "Allow",
					Action: ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
					Resource: ["*"],
				},
			],
		};
		const writer = await open("denied", await makeRestrictedUser(JSON.stringify(policy)));
		await expect(writer.delete("log/1")).rejects.toMatchObject({ code: "STORE_ACCESS_DENIED" });
		expect(await keysOf(store, "log/1")).toEqual(["log/1"]);
	});

	it("keeps stores apart whose prefixes have a common beginning", async () => {
		const [short, long] = [await open("apart/a"), await open("apart/ab")];
		await put(short, "log/1");
		await put(long, "log/2");
		expect(await keysOf(short)).toEqual(["log/1"]);
		expect(await keysOf(long)).toEqual(["log/2"]);
		expect(await keysOf(await open("apart"))).toEqual(["a/log/1", "ab/log/2"]);
	});

	it("begins at the top of the bucket without a prefix", async () => {
		const own = await makeBucket();
		const store = await open("", undefined, own);
		expect(store.url).toBe(`s3://${own}`);
		await put(store, "log/1");
		expect(await keysOf(store)).toEqual(["log/1"]);
	});

	// @id s3-one-creates
	it("lets exactly one of two stores create an object", async () => {
		const stores = await Promise.all([open("two"), open("two")]);
		const outcomes = await Promise.all(
			stores.flatMap((store) => Array.from({ length: 10 }, () => put(store, "log/1"))),
		);
		expect(outcomes.map(({ kind }) => kind).sort()).toEqual([
			"created",
			...Array(19).fill("exists"),
		]);
	});

	it.each([
		["s3:PutObject", ["exists", "STORE_ACCESS_DENIED", "STORE_ACCESS_DENIED"]],
		["s3:GetObject", ["STORE_ACCESS_DENIED", "read", "STORE_ACCESS_DENIED"]],
		["s3:ListBucket", ["STORE_ACCESS_DENIED", "STORE_ACCESS_DENIED", "listed"]],
	])("denies what a policy of only %s does not allow", async (action, expected) => {
		await put(await open("denied"), "log/1");
		const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
		const policy = {
			Version: "2012-10-17",
			Statement: [{ Effect: "Allow", Action: [action], Resource }],
		};
		const store = await open("denied", await makeRestrictedUser(JSON.stringify(policy)));
		const codeOf = (error: unknown) => (error as { code?: string }).code;
		expect([
			await put(store, "log/1").then(({ kind }) => kind, codeOf),
			await store.get("log/1").then(() => "read", codeOf),
			await keysOf(store).then(() => "listed", codeOf),
		]).toEqual(expected);
	});

	it.each(["secretAccessKey", "accessKeyId"])("denies a wrong %s", async (part) => {
		const { accessKeyId, secretAccessKey } = server!;
		const store = await open("denied", {
			accessKeyId,
			secretAccessKey,
			[part]: "wrong-wrong-wrong",
		});
		const denied = { code: "STORE_ACCESS_DENIED" };
		await expect(put(store, "log/1")).rejects.toMatchObject(denied);
		await expect(store.get("log/1")).rejects.toMatchObject(denied);
		await expect(keysOf(store)).rejects.toMatchObject(denied);
	});

	it("reports a missing bucket for every verb", async () => {
		const store = await open("pre", undefined, "no-such-bucket-here");
		const missing = { code: "STORE_BUCKET_MISSING", value: "s3://no-such-bucket-here" };
		await expect(put(store, "log/1")).rejects.toMatchObject(missing);
		await expect(store.get("log/1")).rejects.toMatchObject(missing);
		await expect(keysOf(store)).rejects.toMatchObject(missing);
	});
});
