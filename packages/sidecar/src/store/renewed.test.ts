import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeObjectStore } from "../../../testkit/store/conformance.ts";
import { makeBucket, s3TestServer } from "../../../testkit/store/s3-server.ts";
import { SidecarError } from "../errors.ts";
import { DirectoryStore } from "./directory.ts";
import type { ListPage } from "./port.ts";
import { type CredentialSource, renewed } from "./renewed.ts";
import { S3Store } from "./s3.ts";

describeObjectStore("a DirectoryStore whose credentials never end", async () => {
	const base = await mkdtemp(join(tmpdir(), "store-"));
	const source: CredentialSource = {
		generation: 0,
		provide: async () => {},
		renewAfter: async () => {},
	};
	return {
		store: renewed(new DirectoryStore(base), source),
		cleanup: () => rm(base, { recursive: true }),
	};
});

const server = s3TestServer();

/**
 * Credentials that the store does not know until they are renewed; then the server's own, or
 * unknown ones again.
 */
function source(renewals: "work" | "fail") {
	const unknown = { accessKeyId: "AKIAUNKNOWN000000000", secretAccessKey: "x" };
	const state = { generation: 0, renewed: 0, failure: undefined as SidecarError | undefined };
	const provide = async () => {
		if (state.failure !== undefined) throw state.failure;
		return state.generation === 0 || renewals === "fail"
			? unknown
			: { accessKeyId: server!.accessKeyId, secretAccessKey: server!.secretAccessKey };
	};
	const made: CredentialSource = {
		get generation() {
			return state.generation;
		},
		provide,
		renewAfter: async (generation) => {
			if (generation !== state.generation) return;
			state.generation++;
			state.renewed++;
		},
	};
	return { state, source: made, sdk: Object.assign(provide, { memoized: true }) };
}

describe.skipIf(server === undefined)("a store whose credentials end", () => {
	const open = async (renewals: "work" | "fail" = "work") => {
		const { endpoint, region } = server!;
		const credentials = source(renewals);
		const inner = await S3Store.open({
			endpoint,
			region,
			bucket: await makeBucket(),
			credentials: credentials.sdk,
		});
		return { ...credentials, store: renewed(inner, credentials.source) };
	};
	const denied = expect.objectContaining({ code: "STORE_ACCESS_DENIED" });
	const pages = async (listing: AsyncIterable<ListPage>) => {
		const keys: string[] = [];
		for await (const { objects } of listing) keys.push(...objects.map(({ key }) => key));
		return keys;
	};

	test("repeats a refused PUT, GET and LIST once with fresh ones, and each takes effect once", async () => {
		const { store, state } = await open();
		expect(await store.putIfAbsent("a", Buffer.from("1"))).toMatchObject({ kind: "created" });
		expect(state.renewed).toBe(1);
		state.generation = 0;
		expect((await store.get("a")).body.toString()).toBe("1");
		state.generation = 0;
		await store.putIfAbsent("b", Buffer.from("2"));
		state.generation = 0;
		expect(await pages(store.list(""))).toEqual(["a", "b"]);
		state.generation = 0;
		expect(await pages(store.list("", { startAfter: "a", limit: 1 }))).toEqual(["b"]);
		expect(state.renewed).toBe(5);
		await store.close();
	});

	test("repeats a request only once: it fails if fresh ones are refused too", async () => {
		const { store, state } = await open("fail");
		await expect(store.get("a")).rejects.toEqual(denied);
		await expect(store.putIfAbsent("a", Buffer.from("1"))).rejects.toEqual(denied);
		await expect(pages(store.list(""))).rejects.toEqual(denied);
		expect(state.renewed).toBe(3);
		await store.close();
	});

	test("gives the reason if there are none; a PUT is unknown, unless it was denied", async () => {
		const { store, state } = await open();
		const unreachable = new SidecarError("STORE_UNREACHABLE", { reason: "STS" });
		state.failure = unreachable;
		await expect(store.get("a")).rejects.toBe(unreachable);
		expect(await store.putIfAbsent("a", Buffer.from("1"))).toEqual({
			kind: "unknown",
			cause: unreachable,
		});
		state.failure = new SidecarError("STORE_ACCESS_DENIED");
		await expect(store.putIfAbsent("a", Buffer.from("1"))).rejects.toBe(state.failure);
		await store.close();
	});
});
