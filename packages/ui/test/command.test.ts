import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeAll, expect, test } from "vitest";
import { Place } from "../../testkit/cli.ts";
import { buildUi, UI_DIRECTORY } from "../build.ts";

const UI = ["ui", "--no-open", "--log-level", "info"];

beforeAll(async () => {
	if (!existsSync(join(UI_DIRECTORY, "index.html"))) await buildUi();
});

test("ui serves the page until a signal, with a token that it prints on stdout only", async () => {
	using place = new Place();
	mkdirSync(place.path("a", "notes"), { recursive: true });
	writeFileSync(place.path("a", "notes/one.md"), "x");
	await place.cli("a", ["flush"]);
	await using page = place.start("b", [...UI, "--json"]);
	const { port } = await page.waitForEvent("ui.listening");
	const { url } = JSON.parse(await page.firstLine()) as { url: string };
	const { host, hash } = new URL(url);
	expect(url).toMatch(/^http:\/\/[0-9a-f]{32}\.localhost:\d+\/#token=[\w-]{43}$/);
	const answer = async (path: string, method: string, headers: Record<string, string>) => {
		// `fetch` sends no other Host than the address.
		const asked = request({ host: "127.0.0.1", port: Number(port), path, method, headers }).end();
		const [response] = (await once(asked, "response")) as [IncomingMessage];
		return { status: response.statusCode, body: await text(response) };
	};
	expect((await answer("/", "GET", { host })).body).toContain("<!doctype html>");
	expect((await answer("/", "GET", {})).status).toBe(403);
	expect((await answer("/api/about", "POST", { host })).status).toBe(401);
	// It only reads, and nothing was ever restored here.
	expect(existsSync(join(place.dir, "b/state"))).toBe(false);
	const { status, stderr } = await page.stop("SIGINT");
	expect(status).toBe(0);
	expect(stderr).not.toContain(hash.slice(7));
});

test("ui refuses a port that is none, and one that is taken", async () => {
	using place = new Place();
	expect(await place.cli("a", ["ui", "--port", "http"])).toMatchObject({ status: 2 });
	await using page = place.start("a", UI);
	const { port } = await page.waitForEvent("ui.listening");
	const second = await place.cli("a", ["ui", "--no-open", "--port", String(port)]);
	expect(second).toMatchObject({ status: 2, stderr: expect.stringContaining("EADDRINUSE") });
});
