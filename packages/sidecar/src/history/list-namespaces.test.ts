import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeBucket, s3TestServer } from "../../../testkit/store/s3-server.ts";
import { DirectoryStore } from "../store/directory.ts";
import type { ObjectStore } from "../store/port.ts";
import { S3Store } from "../store/s3.ts";
import { listNamespaces } from "./list-namespaces.ts";

/** Names that sort around the `/` after a name that is their prefix. */
const NAMES = ["a", "a-b", "a.b", "a0", "a+b", "aa", "B", "z@x=y"];

async function namesIn(store: ObjectStore, after?: string): Promise<string[]> {
	const names: string[] = [];
	for await (const name of listNamespaces(store, after === undefined ? {} : { after }))
		names.push(name);
	return names;
}

async function expectNames(store: ObjectStore): Promise<void> {
	expect(await namesIn(store)).toEqual([]);
	for (const name of NAMES)
		for (const key of ["log/0", "log/zz", "packs/zz"])
			await store.putIfAbsent(`users/${name}/${key}`, Buffer.from("x"));
	for (const key of ["users/stray", "userz/a/b", "user/a/b"])
		await store.putIfAbsent(key, Buffer.from("x"));
	const names = await namesIn(store);
	expect([...names].sort()).toEqual([...NAMES].sort());
	for (const [index, name] of names.entries())
		expect(await namesIn(store, name)).toEqual(names.slice(index + 1));
}

test("lists every namespace once in a directory", async () => {
	const root = mkdtempSync(join(tmpdir(), "store-"));
	await expectNames(new DirectoryStore(root));
	rmSync(root, { recursive: true });
});

test.skipIf(s3TestServer() === undefined)(
	"lists every namespace once on a real S3 server",
	async () => {
		const { endpoint, region, ...credentials } = s3TestServer()!;
		const store = await S3Store.open({
			bucket: await makeBucket(),
			prefix: "pre",
			endpoint,
			region,
			credentials,
		});
		await expectNames(store);
		await store.close();
	},
);
