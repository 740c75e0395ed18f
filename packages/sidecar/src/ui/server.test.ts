import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { takeControl } from "../daemon/control.ts";
import { flush } from "../library/flush.ts";
import { withWorkspace } from "../library/options.ts";
import type { Entry } from "../log/types.ts";
import { namespaced } from "../store/namespaced.ts";
import { recordingLogger } from "../telemetry/logger.ts";
import type {
	Commits,
	Compared,
	Content,
	ContentDifference,
	Deleted,
	Download,
	Level,
	Moment,
	Restored,
	SearchResult,
	State,
	Table,
	Timeline,
	Version,
} from "./api.ts";
import { zipBody } from "./downloads.ts";
import { LogView } from "./log-view.ts";
import { makePage, type Page } from "./server.ts";

const PORT = 4711;
const TOKEN_TEXT = `ghp_${"a1B2".repeat(9)}`;
const KEY_TEXT = `-----BEGIN PRIVATE KEY-----\n${`${"MIIEvQ1B".repeat(8)}\n`.repeat(20)}-----END PRIVATE KEY-----\n`;

const dir = realpathSync(mkdtempSync(join(tmpdir(), "sidecar-ui-")));
const store = new AgingStore();
const logger = recordingLogger();
const options = {
	store,
	namespace: "anna",
	workspace: join(dir, "ws"),
	stateDir: join(dir, "state"),
	handoverWaitMs: 0,
	logger,
};
const page: { now: Page } = { now: undefined as unknown as Page };
/** The same with `--allow-restore`. */
const writing: { now: Page } = { now: undefined as unknown as Page };
let end: () => void = () => {};

const put = (path: string, content: string | Buffer) => {
	mkdirSync(dirname(join(dir, "ws", path)), { recursive: true });
	writeFileSync(join(dir, "ws", path), content);
};

const PNG = Buffer.from(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
	"base64",
);

beforeAll(async () => {
	put("workspace/MEMORY.md", "# Memory\n\none\n");
	put("workspace/pictures/dot.png", PNG);
	put("workspace/page.html", "<script>alert(1)</script>");
	put("workspace/token.txt", `the token is ${TOKEN_TEXT}\n`);
	put("workspace/gone.md", "bye\n");
	put("workspace/removed-token.txt", `${TOKEN_TEXT}\n`);
	put("workspace/removed-key.txt", `before\n${KEY_TEXT}after\n`);
	put("workspace/long.txt", "a\n".repeat(30_000));
	put("workspace/wide.txt", `${"a".repeat(2_000_000)}\n`);
	put("workspace/raw.bin", Buffer.from([1, 0, 2]));
	put("credentials/key.json", '{"key":"x"}');
	symlinkSync("MEMORY.md", join(dir, "ws/workspace/link"));
	const database = new DatabaseSync(join(dir, "ws/workspace/data.sqlite"));
	database.exec(
		`CREATE TABLE "a ""b" (id INTEGER PRIMARY KEY, text TEXT, raw BLOB, big INTEGER);
		 INSERT INTO "a ""b" VALUES (1, 'one', x'00ff', 9223372036854775807), (2, NULL, NULL, 2), (3, 'three', NULL, 3);
		 CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n`,
	);
	database.close();
	await flush(options);
	put("workspace/MEMORY.md", "# Memory\n\ntwo\n");
	rmSync(join(dir, "ws/workspace/gone.md"));
	put("workspace/removed-token.txt", "none\n");
	put("workspace/removed-key.txt", "before\nafter\n");
	put("workspace/long.txt", "b\n".repeat(30_000));
	put("workspace/wide.txt", `${"b".repeat(2_000_000)}\n`);
	put("credentials/new.json", "{}");
	put("leak.txt", TOKEN_TEXT);
	for (let i = 0; i < 25; i++) put(`many/file-${String(i).padStart(2, "0")}`, "x");
	await flush(options);
	await new Promise<void>((ready, failed) => {
		withWorkspace(options, async (opened) => {
			page.now = makePage(opened, { assets: ASSETS, allowsRestore: false, verbs: options });
			page.now.port = PORT;
			writing.now = makePage(opened, { assets: ASSETS, allowsRestore: true, verbs: options });
			writing.now.port = PORT;
			ready();
			await new Promise<void>((resolve) => {
				end = resolve;
			});
			page.now[Symbol.dispose]();
			writing.now[Symbol.dispose]();
		}).catch(failed);
	});
});
afterAll(() => {
	end();
	rmSync(dir, { recursive: true, force: true });
});

const ASSETS = new Map([
	["/index.html", { mediaType: "text/html; charset=utf-8", bytes: Buffer.from("<!doctype html>") }],
	["/assets/a.js", { mediaType: "text/javascript", bytes: Buffer.from("1") }],
]);

const goodHeaders = (to = page.now) => ({
	host: to.host,
	origin: `http://${to.host}`,
	"sec-fetch-site": "same-origin",
	authorization: `Bearer ${to.token}`,
	"content-type": "application/json",
});

async function request(
	path: string,
	{
		headers = {},
		...init
	}: Omit<RequestInit, "headers"> & { headers?: Record<string, string | undefined> } = {},
): Promise<Response> {
	const kept = Object.entries({ ...goodHeaders(), ...headers }).filter(
		(each): each is [string, string] => each[1] !== undefined,
	);
	return await page.now.app.fetch(
		new Request(`http://127.0.0.1${path}`, { ...init, headers: Object.fromEntries(kept) }),
	);
}

async function post(name: string, body: object = {}, headers = {}): Promise<Response> {
	return await request(`/api/${name}`, { method: "POST", body: JSON.stringify(body), headers });
}

async function ask<T>(name: string, body: object = {}): Promise<T> {
	const response = await post(name, body);
	const answer = await response.json();
	expect(response.status, JSON.stringify(answer)).toBe(200);
	return answer as T;
}

async function askLines<T>(name: string, body: object): Promise<T[]> {
	const response = await post(name, body);
	expect(response.status).toBe(200);
	return (await response.text())
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as T);
}

describe("who may ask", () => {
	// @id ui-token
	it.each([
		["no token", { authorization: undefined }, 401],
		["a wrong token", { authorization: `Bearer ${"A".repeat(43)}` }, 401],
		["a token that begins rightly", { authorization: "Bearer " }, 401],
		["the token as a cookie", { authorization: undefined, cookie: "token=x" }, 401],
	])("answers nothing to a request with %s", async (_, headers, status) => {
		const response = await post("about", {}, headers);
		expect(response.status).toBe(status);
		expect(await response.json()).toMatchObject({ code: "IDENTITY_REFUSED" });
	});

	// @id ui-rebinding
	it.each([
		["another Host", { host: "evil.example", origin: "http://evil.example" }],
		["the address as Host", { host: `127.0.0.1:${PORT}`, origin: undefined }],
		["localhost as Host", { host: `localhost:${PORT}`, origin: undefined }],
		["another name below localhost", { host: `a.localhost:${PORT}`, origin: undefined }],
		["no Host", { host: undefined }],
		["another Origin", { origin: "http://evil.example" }],
		["an opaque Origin", { origin: "null" }],
		["the Origin of another port", { origin: "http://127.0.0.1:1" }],
		["Sec-Fetch-Site: cross-site", { "sec-fetch-site": "cross-site" }],
		["Sec-Fetch-Site: same-site", { "sec-fetch-site": "same-site" }],
	])("refuses a request with the token and %s", async (_, headers) => {
		expect((await post("about", {}, headers)).status).toBe(403);
	});

	it("refuses the page's own files under another Host", async () => {
		expect((await request("/", { headers: { host: "evil.example" } })).status).toBe(403);
		expect((await request("/")).status).toBe(200);
	});

	// @id ui-host-name
	it("has a name of its own at each start", () => {
		expect(page.now.host).toMatch(/^[0-9a-f]{32}\.localhost:4711$/);
		expect(writing.now.host).not.toBe(page.now.host);
	});

	it("accepts a program that is no browser", async () => {
		const plain = { origin: undefined, "sec-fetch-site": undefined };
		expect((await post("about", {}, plain)).status).toBe(200);
	});

	it("accepts only POST with JSON of a known form and size", async () => {
		expect((await request("/api/about")).status).toBe(415);
		expect((await post("about", {}, { "content-type": "text/plain" })).status).toBe(415);
		const body = (text: string) => request("/api/level", { method: "POST", body: text });
		expect((await body("{")).status).toBe(400);
		expect((await body('{"path":1}')).status).toBe(400);
		const long = JSON.stringify({ path: "x".repeat(200_000), offset: 0, limit: 1 });
		expect((await body(long)).status).toBe(413);
		expect((await post("nonsense")).status).toBe(404);
	});

	it("sends the security headers with every answer", async () => {
		const answers = [
			await request("/"),
			await request("/none"),
			await post("about"),
			await post("about", {}, { host: "evil.example" }),
		];
		for (const { headers } of answers) {
			const policy = headers.get("content-security-policy") ?? "";
			expect(policy).toContain("default-src 'none'");
			expect(policy).toContain("script-src 'self';");
			expect(policy).toContain("require-trusted-types-for 'script'; trusted-types worker");
			expect(policy).not.toMatch(/unsafe|\*|https?:/);
			expect(headers.get("x-content-type-options")).toBe("nosniff");
			expect(headers.get("cache-control")).toBe("no-store");
			expect(headers.get("referrer-policy")).toBe("no-referrer");
			for (const name of ["embedder", "opener"])
				expect(headers.get(`cross-origin-${name}-policy`)).toBeTruthy();
			expect(headers.get("access-control-allow-origin")).toBeNull();
		}
	});

	it("serves no file but the page's own, whatever the path", async () => {
		for (const path of [
			"/../package.json",
			"/%2e%2e/package.json",
			"/assets/../../x",
			"//etc/passwd",
		])
			expect((await request(path)).status).toBe(404);
	});
});

describe("what it answers", () => {
	it("lists the timeline from the listing, and describes commits newest first", async () => {
		const { seqs, times, bytes } = await ask<Timeline>("timeline");
		expect(seqs).toEqual(seqs.map((_, index) => index + 1));
		expect([times.length, bytes.length]).toEqual([seqs.length, seqs.length]);
		const newest = seqs.at(-1) as number;
		const { commits } = await ask<Commits>("commits", { from: newest, limit: 3 });
		expect(commits.map(({ seq }) => seq)).toEqual([newest, newest - 1, newest - 2]);
		expect(commits[0]).toMatchObject({
			flags: ["closed"],
			writer: expect.stringMatching(/^[0-9a-f]{32}$/),
		});
	});

	it("describes a commit once", async () => {
		const before = store.requests.get;
		await ask("commits", { from: 3, limit: 3 });
		expect(store.requests.get - before).toBeLessThanOrEqual(3);
		const between = store.requests.get;
		await ask("commits", { from: 3, limit: 3 });
		expect(store.requests.get).toBe(between);
	});

	it("sends one level of the tree, directories first, in pages", async () => {
		const top = await ask<Level>("level", { path: "", offset: 0, limit: 100 });
		expect(top.rows.map(({ name, type, files }) => [name, type, files])).toEqual([
			["credentials", "dir", 2],
			["many", "dir", 25],
			["workspace", "dir", 11],
			["leak.txt", "file", undefined],
		]);
		expect(top.rows[0]).toMatchObject({ secret: true });
		const page = await ask<Level>("level", { path: "many", offset: 20, limit: 10 });
		expect(page).toMatchObject({ total: 25, offset: 20 });
		expect(page.rows.map(({ name }) => name)).toEqual([20, 21, 22, 23, 24].map((i) => `file-${i}`));
		const [, link] = (
			await ask<Level>("level", { path: "workspace", offset: 0, limit: 10 })
		).rows.filter(({ type }) => type !== "file");
		expect(link).toMatchObject({ name: "link", type: "link", target: "MEMORY.md" });
	});

	it("reads the tree of any moment, and reads each tree once", async () => {
		const { seq } = await ask<Moment>("moment");
		const early = await ask<Moment>("moment", { at: 2 });
		expect(early).toMatchObject({ seq: 2, files: 13 });
		const text = async (at?: number) =>
			await ask<Content>("content", { path: "workspace/MEMORY.md", ...(at && { at }) });
		expect(await text()).toMatchObject({ kind: "text", text: "# Memory\n\ntwo\n", isCut: false });
		expect(await text(2)).toMatchObject({ text: "# Memory\n\none\n" });
		expect((await post("moment", { at: seq + 1 })).status).toBe(404);
		expect((await post("moment", { at: "when?" })).status).toBe(400);
	});

	it("compares two moments", async () => {
		const compared = await ask<Compared>("compare", { from: 2, offset: 0, limit: 10 });
		expect(compared).toMatchObject({ total: 34, counts: { added: 28, removed: 1, changed: 5 } });
		expect(compared.differences).toHaveLength(10);
		expect(await ask<Compared>("compare", { from: 2, to: 2, offset: 0, limit: 10 })).toMatchObject({
			total: 0,
		});
	});

	it("searches by a part of a path and by a pattern", async () => {
		const found = async (text: string) =>
			(await ask<SearchResult>("search", { text })).found.map(({ path }) => path);
		expect(await found("memory")).toEqual(["workspace/MEMORY.md"]);
		expect(await found("*.png")).toEqual(["workspace/pictures/dot.png"]);
		expect(await found("file-0?")).toHaveLength(10);
		expect(await found("work*dot.png")).toEqual([]);
		expect(await found("workspace/**/*.png")).toEqual(["workspace/pictures/dot.png"]);
		expect(await found("(a+)+[")).toEqual([]);
	});

	it("tells where a path is in each directory above it", async () => {
		expect(await ask("entry", { path: "workspace/pictures/dot.png" })).toMatchObject({
			path: "workspace/pictures/dot.png",
			trail: [2, 0, 0],
			size: PNG.length,
		});
	});

	it("lists the versions of a file, and finds files that are gone", async () => {
		const versions = await askLines<Version>("versions", { path: "workspace/MEMORY.md" });
		expect(versions.map(({ kind }) => kind)).toEqual(["changed", "created"]);
		expect(versions[0]).toMatchObject({ size: 14, sizeBefore: 14, path: "workspace/MEMORY.md" });
		const [gone, ...others] = await askLines<Deleted>("deleted", { text: "gone" });
		expect(others).toEqual([]);
		expect(gone).toMatchObject({ path: "workspace/gone.md", size: 4, name: "gone.md" });
		expect(
			await ask<Content>("content", { path: "workspace/gone.md", at: gone?.seq as number }),
		).toMatchObject({ text: "bye\n" });
	});

	it("shows how a file differs between two moments", async () => {
		const difference = async (path: string, more: object = {}) =>
			await ask<ContentDifference>("difference", { from: 2, to: "latest", path, ...more });
		expect(await difference("workspace/MEMORY.md")).toEqual({
			...{ kind: "text", addedLines: 1, removedLines: 1, isCut: false },
			unified: expect.stringContaining("-one\n+two\n"),
		});
		expect(await difference("workspace/page.html")).toEqual({ kind: "none" });
		expect(await difference("credentials/new.json")).toMatchObject({ kind: "secret" });
		expect(await difference("credentials/new.json", { confirmed: true })).toMatchObject({
			kind: "text",
		});
		expect(await difference("leak.txt")).toMatchObject({
			kind: "secret",
			reasons: [expect.stringMatching(/GitHub/i)],
		});
	});

	it("sends the beginning of a long difference, in whole lines", async () => {
		const difference = async (path: string) => {
			const found = await ask<ContentDifference>("difference", { from: 2, to: "latest", path });
			if (found.kind !== "text") throw new Error(found.kind);
			return found;
		};
		const { unified, ...long } = await difference("workspace/long.txt");
		expect(long).toMatchObject({ isCut: true, addedLines: 30_000, removedLines: 30_000 });
		expect(unified.split("\n")).toHaveLength(20_001);
		expect(unified).toMatch(/\n-a\n$/);
		const wide = await difference("workspace/wide.txt");
		expect(wide).toMatchObject({ isCut: true, addedLines: 1 });
		expect(wide.unified).toMatch(/@@\n$/);
	});

	it("shows images, binary files and active content as data", async () => {
		expect(await ask<Content>("content", { path: "workspace/pictures/dot.png" })).toEqual({
			...{ kind: "image", size: PNG.length, mediaType: "image/png" },
			base64: PNG.toString("base64"),
		});
		expect(await ask<Content>("content", { path: "workspace/page.html" })).toMatchObject({
			kind: "text",
		});
		expect(await ask<Content>("content", { path: "workspace/raw.bin" })).toMatchObject({
			kind: "binary",
			base64: "AQAC",
		});
	});

	it("shows tables of a database in pages, and never runs a view", async () => {
		const path = "workspace/data.sqlite";
		expect(await ask<Content>("content", { path })).toMatchObject({
			kind: "database",
			tables: [{ name: 'a "b', rows: 3 }],
		});
		const table = async (name: string, offset = 0) =>
			await post("table", { path, table: name, offset, limit: 2 });
		expect(await (await table('a "b')).json()).toEqual({
			columns: ["id", "text", "raw", "big"],
			rows: [
				["1", "one", "blob of 2 bytes", "9223372036854775807"],
				["2", null, null, "2"],
			],
			hasMore: true,
		} satisfies Table);
		expect(await (await table('a "b', 2)).json()).toMatchObject({ hasMore: false });
		expect((await table("endless")).status).toBe(404);
		expect((await table('x"; DROP TABLE y')).status).toBe(404);
	});

	it("answers a request for a database whose copy another request began and gave up", async () => {
		const stop = new AbortController();
		const content = (signal?: AbortSignal) =>
			writing.now.app.fetch(
				new Request(`http://127.0.0.1/api/content`, {
					method: "POST",
					headers: goodHeaders(writing.now),
					body: JSON.stringify({ path: "workspace/data.sqlite" }),
					...(signal && { signal }),
				}),
			);
		const first = content(stop.signal);
		const second = content();
		stop.abort();
		expect(await (await second).json()).toMatchObject({ kind: "database" });
		await first;
	});

	it("tells a missing path from a directory", async () => {
		for (const path of ["none", "workspace", "../ws", "/etc/passwd"])
			expect((await post("content", { path })).status, path).toBe(404);
		expect((await post("level", { path: "workspace/link", offset: 0, limit: 1 })).status).toBe(404);
	});

	it("says that no daemon runs", async () => {
		expect(await ask<State>("state")).toEqual({
			newestSeq: expect.any(Number),
			nowMs: expect.any(Number),
		});
	});
});

describe("secrets", () => {
	// @id ui-secrets
	it("asks before it shows or sends a file where secrets are expected, or in which one is found", async () => {
		for (const [path, reasons] of [
			["credentials/key.json", ["place"]],
			["workspace/token.txt", [expect.stringMatching(/GitHub/i)]],
		] as const) {
			const shown = await post("content", { path });
			const text = await shown.text();
			expect(JSON.parse(text)).toMatchObject({ kind: "secret", reasons });
			expect(text).not.toContain(TOKEN_TEXT);
			expect(await ask<Content>("content", { path, confirmed: true })).toMatchObject({
				kind: "text",
			});
			expect(await ask<Download>("download", { path })).toMatchObject({ kind: "secret" });
			expect(await ask<Download>("download", { path, confirmed: true })).toMatchObject({
				kind: "ticket",
			});
		}
	});

	// @id ui-removed-secrets
	it("asks before a difference shows a secret that was removed", async () => {
		for (const [path, reason] of [
			["workspace/removed-token.txt", /GitHub/i],
			["workspace/removed-key.txt", /key/i],
		] as const) {
			const body = { from: 2, to: "latest", path };
			expect(await ask<ContentDifference>("difference", body), path).toEqual({
				...{ kind: "secret", size: 0 },
				reasons: [expect.stringMatching(reason)],
			});
			const agreed = await ask<ContentDifference>("difference", { ...body, confirmed: true });
			expect(agreed).toMatchObject({ kind: "text" });
		}
	});

	it("asks before a directory with such files is sent", async () => {
		expect(await ask<Download>("download", { path: "" })).toEqual({
			kind: "secret-files",
			files: 2,
		});
		expect(await ask<Download>("download", { path: "workspace" })).toMatchObject({
			kind: "ticket",
		});
	});

	it("logs neither a path nor content", async () => {
		await post("content", { path: "credentials/key.json", confirmed: true });
		await post("content", { path: "credentials/none" });
		const lines = JSON.stringify(logger.events.filter(({ event }) => event.startsWith("ui.")));
		expect(lines).toContain("PATH_NOT_FOUND");
		expect(lines).not.toMatch(/credentials|ghp_/);
	});
});

describe("downloads", () => {
	const ticket = async (body: object): Promise<string> => {
		const answer = await ask<Download>("download", body);
		if (answer.kind !== "ticket") throw new Error("asked first");
		return answer.url;
	};
	const link = { authorization: undefined, origin: undefined, "content-type": undefined };

	// @id ui-ticket
	it("sends a file once for each ticket, and nothing about it is in the URL", async () => {
		const url = await ticket({ path: "workspace/MEMORY.md" });
		expect(url).toMatch(/^\/download\/[\w-]{32}$/);
		const response = await request(url, { headers: link });
		expect(response.headers.get("content-disposition")).toContain('filename="MEMORY.md"');
		expect(response.headers.get("content-type")).toBe("application/octet-stream");
		expect(await response.text()).toBe("# Memory\n\ntwo\n");
		expect((await request(url, { headers: link })).status).toBe(404);
	});

	it("refuses a ticket to a page of another site", async () => {
		const url = await ticket({ path: "workspace/MEMORY.md" });
		const headers = { ...link, "sec-fetch-site": "cross-site" };
		expect((await request(url, { headers })).status).toBe(403);
	});

	it("sends a directory as a zip archive with links, times and modes", async () => {
		chmodSync(join(dir, "ws/workspace/raw.bin"), 0o640);
		const url = await ticket({ path: "workspace", at: 2 });
		const bytes = Buffer.from(await (await request(url, { headers: link })).arrayBuffer());
		const names = zipNames(bytes);
		expect(names).toContain("workspace-2/MEMORY.md");
		expect(names).toContain("workspace-2/pictures/dot.png");
		expect(names).toContain("workspace-2/link");
		expect(names.every((name) => name.startsWith("workspace-2/"))).toBe(true);
	});

	it("reads the files of an archive together, a thousand at a time, and equal files once", async () => {
		const tree = await new LogView(namespaced(store, "anna")).tree(undefined);
		const file = tree.index.tree.get("many/file-00") as Entry;
		const files = Array.from({ length: 2_001 }, (_, i): [string, Entry] => [`x/${i}`, file]);
		const before = store.requests.get;
		const bytes = await buffer(zipBody(namespaced(store, "anna"), tree, "x.zip", files).open());
		expect(zipNames(bytes)).toHaveLength(2_001);
		expect(store.requests.get - before).toBe(3);
	});

	it("leaves secrets out of an archive on request", async () => {
		const names = async (secrets: string) => {
			const url = await ticket({ path: "", secrets });
			return zipNames(Buffer.from(await (await request(url, { headers: link })).arrayBuffer()));
		};
		const isKey = (name: string) => name.endsWith("key.json");
		expect((await names("leave-out")).some(isKey)).toBe(false);
		expect((await names("include")).some(isKey)).toBe(true);
	});
});

describe("reading", () => {
	// @id ui-read-only
	it("writes nothing to the store or the workspace, and knows no request that would", async () => {
		const before = { puts: store.requests.put, state: readdirSync(join(dir, "state")) };
		for (const [name, body] of Object.entries({
			...{ about: {}, timeline: {}, moment: {}, state: {}, disk: {}, quarantined: {} },
			compare: { from: 1, offset: 0, limit: 5 },
			search: { text: "x" },
		}))
			await ask(name, body);
		expect({ puts: store.requests.put, state: readdirSync(join(dir, "state")) }).toEqual(before);
		for (const name of ["restore", "apply", "drop"])
			expect((await post(name, { path: "x", at: 2 })).status, name).toBe(404);
		expect(existsSync(join(dir, "ws/.recovered"))).toBe(false);
	});
});

describe("with --allow-restore", () => {
	const askWriting = async <T>(name: string, body: object): Promise<T> => {
		const response = await writing.now.app.fetch(
			new Request(`http://127.0.0.1/api/${name}`, {
				method: "POST",
				headers: goodHeaders(writing.now),
				body: JSON.stringify(body),
			}),
		);
		return (await response.json()) as T;
	};
	const memory = () => readFileSync(join(dir, "ws/workspace/MEMORY.md"), "utf8");

	it("tells what a restore changes, then does it, and keeps the replaced bytes", async () => {
		const wanted = { at: 2, path: "workspace/MEMORY.md" };
		const plan = await askWriting<Restored>("restore", { ...wanted, dryRun: true });
		expect(plan).toMatchObject({ total: 1, changes: [{ path: wanted.path, kind: "changed" }] });
		expect(memory()).toBe("# Memory\n\ntwo\n");
		const done = await askWriting<Restored>("restore", { ...wanted, dryRun: false });
		expect(done).toMatchObject({ total: 1, moved: 1 });
		expect(memory()).toBe("# Memory\n\none\n");
	});

	it("tells what a daemon did not commit of a restore", async () => {
		const deferred = [{ path: "workspace/MEMORY.md", reason: "it changes all the time" }];
		const flushed = { kind: "unchanged", deferred, deferredDeletions: 2, superseded: false };
		const none = async () => ({});
		const control = await takeControl(options.stateDir, options.workspace, {
			...{ flush: none, drop: none },
			status: async () => ({ phase: "running", pid: process.pid }),
			restore: async () => ({ changes: [], moved: [], flushed }),
		});
		try {
			const wanted = { at: 2, path: "workspace/MEMORY.md", dryRun: false };
			expect(await askWriting<Restored>("restore", wanted)).toEqual({
				...{ changes: [], total: 0, moved: 0 },
				...{ notTaken: deferred, notTakenCount: 1, deferredDeletions: 2 },
			});
		} finally {
			await control.close();
		}
	});

	it("refuses a path that the moment does not have, and a writer that is none", async () => {
		const missing = { at: 2, path: "none", dryRun: false };
		expect(await askWriting("restore", missing)).toMatchObject({ code: "PATH_NOT_FOUND" });
		expect(await askWriting("apply", { writer: "../x", path: "y" })).toMatchObject({
			code: "REQUEST_INVALID",
		});
		expect(await askWriting("drop", { writer: "ab".repeat(16), path: "y" })).toMatchObject({
			code: "USAGE",
		});
	});
});

/** Names in the central directory. */
function zipNames(bytes: Buffer): string[] {
	const names: string[] = [];
	for (let at = bytes.indexOf("PK\x01\x02"); at >= 0; at = bytes.indexOf("PK\x01\x02", at + 4)) {
		const length = bytes.readUInt16LE(at + 28);
		names.push(bytes.toString("utf8", at + 46, at + 46 + length));
	}
	return names;
}
