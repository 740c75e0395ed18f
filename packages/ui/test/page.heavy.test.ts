/**
 * The page in a real Chromium: every view without a violation of axe's rules, light, dark and 360
 * pixels wide; by keyboard alone; and the walk for which the page exists.
 *
 * `UI_SCREENSHOTS=1` writes docs/images/ui-*.png. Without it they are made and thrown away.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { buildUi, UI_DIRECTORY } from "../build.ts";
import { chromiumPath, startChromium } from "./chromium.ts";
import { type PageServer, pageServer } from "./page-server.ts";

const CHROMIUM = chromiumPath();
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const IMAGES = join(import.meta.dirname, "../../../docs/images");

/** Those that docs/ui.md shows. */
const KEPT = new Set([
	"start-light",
	"restore-light",
	"changes-light",
	"file-dark",
	"code-dark",
	"file-narrow",
]);

const LOOKS = {
	light: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
	dark: { viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
	narrow: { viewport: { width: 360, height: 740 }, colorScheme: "light" },
} as const;
type Look = keyof typeof LOOKS;

const PATIENCE_MS = 15_000;

let browser: Browser;
let server: PageServer;

beforeAll(async () => {
	if (CHROMIUM === undefined) return;
	if (!existsSync(join(UI_DIRECTORY, "index.html"))) await buildUi();
	browser = await startChromium(CHROMIUM);
	server = await pageServer(true);
});
afterAll(async () => {
	await browser?.close();
	await server?.[Symbol.asyncDispose]();
});

interface Opened {
	readonly page: Page;
	readonly context: BrowserContext;
	/** What went wrong in the page, and requests to other places. */
	readonly problems: string[];
}

async function open(
	look: Look,
	{ at = server, locale = "en-GB" }: { at?: PageServer; locale?: string } = {},
): Promise<Opened> {
	const context = await browser.newContext({
		...{ ...LOOKS[look], locale, timezoneId: "UTC", reducedMotion: "reduce" },
		// axe is put into the page, which the page's own policy forbids.
		bypassCSP: false,
	});
	onTestFinished(async () => await context.close());
	context.setDefaultTimeout(PATIENCE_MS);
	const page = await context.newPage();
	const problems: string[] = [];
	page.on("pageerror", (error) => problems.push(String(error)));
	page.on("console", (message) => {
		if (message.type() === "error") problems.push(message.text());
	});
	page.on("request", (request) => {
		const { origin, protocol } = new URL(request.url());
		if (protocol !== "data:" && protocol !== "blob:" && origin !== new URL(at.url).origin)
			problems.push(`a request to ${request.url()}`);
	});
	await page.goto(at.url);
	await page.getByRole("treeitem", { name: "workspace" }).waitFor();
	return { page, context, problems };
}

/** In a world of its own, so that the page's policy stays as it is. */
async function violations(page: Page): Promise<string[]> {
	const session = await page.context().newCDPSession(page);
	const { frameTree } = await session.send("Page.getFrameTree");
	const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", {
		frameId: frameTree.frame.id,
		worldName: "axe",
	});
	await session.send("Runtime.evaluate", { contextId, expression: AXE });
	const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
		contextId,
		awaitPromise: true,
		returnByValue: true,
		expression: `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
			violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
				id + " at " + target.join(" ") + ": " + failureSummary.replace(/\\s+/g, " "))))`,
	});
	await session.detach();
	if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description);
	return result.value as string[];
}

async function picture(page: Page, name: string): Promise<void> {
	await page.evaluate("document.fonts.ready");
	const bytes = await page.screenshot({ animations: "disabled", caret: "hide" });
	expect(bytes.length).toBeGreaterThan(5_000);
	if (process.env.UI_SCREENSHOTS !== "1" || !KEPT.has(name)) return;
	mkdirSync(IMAGES, { recursive: true });
	writeFileSync(join(IMAGES, `ui-${name}.png`), bytes);
}

async function choose(page: Page, path: string): Promise<void> {
	await page.getByRole("searchbox").fill(path);
	const results = page.getByRole("region", { name: "Search" });
	await results.getByRole("button", { name: path }).first().click();
	await page.getByRole("heading", { name: path.split("/").at(-1) as string }).waitFor();
}

/** Each view, and what must be in it before it is looked at. */
const SCENES: readonly (readonly [name: string, go: (page: Page) => Promise<void>])[] = [
	[
		"start",
		async (page) => await page.locator(".recent li").first().waitFor({ state: "attached" }),
	],
	[
		"file",
		async (page) => {
			await choose(page, "workspace/MEMORY.md");
			await page
				.getByRole("radio", { name: /yesterday/ })
				.first()
				.click();
			await page.getByText("the bicycle is at the workshop.").first().waitFor();
		},
	],
	[
		"difference",
		async (page) => {
			await choose(page, "workspace/MEMORY.md");
			await page.getByRole("button", { name: "Difference" }).click();
			await page.getByText(/^−- Anna prefers/).waitFor();
		},
	],
	[
		"code",
		async (page) => {
			await choose(page, "workspace/skills/weather/fetch.py");
			await page.locator(".hljs-keyword").first().waitFor();
		},
	],
	[
		"table",
		async (page) => {
			await choose(page, "workspace/transcript.jsonl");
			await page.getByRole("columnheader", { name: "role" }).waitFor();
		},
	],
	[
		"database",
		async (page) => {
			await choose(page, "workspace/data/expenses.sqlite");
			await page.getByRole("cell", { name: "2026-11-20" }).first().waitFor();
		},
	],
	[
		"picture",
		async (page) => {
			await choose(page, "workspace/site/logo.svg");
			await page.getByRole("img", { name: "logo.svg" }).waitFor();
		},
	],
	[
		"secret",
		async (page) => {
			await choose(page, "credentials/telegram.json");
			await page.getByRole("heading", { name: "This may be a secret" }).waitFor();
		},
	],
	[
		"search",
		async (page) => {
			await page.getByRole("searchbox").fill("*.md");
			await page.getByLabel("Also files that are gone").check();
			await page.getByRole("button", { name: /letter\.md/ }).waitFor();
		},
	],
	[
		"commits",
		async (page) => {
			await page.getByRole("button", { name: "Table" }).click();
			await page
				.getByRole("row", { name: /#134/ })
				.getByText(/expenses/)
				.waitFor();
		},
	],
	[
		"changes",
		async (page) => {
			await page.getByRole("tab", { name: "Changes" }).click();
			await page.getByRole("option", { name: /transcript/ }).click();
			await page.locator(".line-added").first().waitFor();
		},
	],
	[
		"quarantine",
		async (page) => {
			await page.getByRole("tab", { name: "Quarantine" }).click();
			await page.getByRole("button", { name: "Put in place…" }).first().waitFor();
		},
	],
	[
		"disk",
		async (page) => {
			await page.getByRole("tab", { name: "This disk" }).click();
			await page.getByRole("button", { name: "Compare this disk" }).click();
			await page.getByText("Everything on this disk is in the log.").waitFor();
		},
	],
	[
		"restore",
		async (page) => {
			await choose(page, "workspace/MEMORY.md");
			await page
				.getByRole("radio", { name: /yesterday/ })
				.first()
				.click();
			await page.getByRole("button", { name: "Put back…" }).click();
			await page.getByRole("dialog").getByText("workspace/MEMORY.md").waitFor();
		},
	],
];

describe.skipIf(CHROMIUM === undefined)("the page", () => {
	test.each(Object.keys(LOOKS) as Look[])("has no violation in any view: %s", async (look) => {
		const found: string[] = [];
		for (const [name, go] of SCENES) {
			const { page, problems } = await open(look);
			await go(page);
			found.push(...(await violations(page)).map((violation) => `${name}: ${violation}`));
			found.push(...problems.map((problem) => `${name}: ${problem}`));
			const overflow = await page.evaluate(
				"document.documentElement.scrollWidth - document.documentElement.clientWidth",
			);
			if (overflow !== 0) found.push(`${name}: ${overflow} pixels too wide`);
			await picture(page, `${name}-${look}`);
			await page.context().close();
		}
		expect(found).toEqual([]);
	});

	test("finds yesterday's version of MEMORY.md and puts it back, in less than ten seconds", async () => {
		await using own = await pageServer(true);
		const file = join(own.workspace, "workspace/MEMORY.md");
		const { page, problems } = await open("light", { at: own });
		const started = performance.now();
		await page.keyboard.press("/");
		await page.keyboard.type("MEMORY.md");
		const results = page.getByRole("region", { name: "Search" });
		await results.getByRole("button", { name: /^workspace\/MEMORY\.md/ }).click();
		await page
			.getByRole("radio", { name: /^yesterday/ })
			.first()
			.click();
		await page.getByText("Anna prefers short answers.").waitFor();
		await page.getByRole("button", { name: "Put back…" }).click();
		const dialog = page.getByRole("dialog");
		await dialog.getByText("workspace/MEMORY.md").waitFor();
		expect(readFileSync(file, "utf8")).not.toBe(own.log.yesterday);
		await dialog.getByRole("button", { name: "Put back" }).click();
		await page
			.getByText(/^Put back\./)
			.first()
			.waitFor();
		const ms = performance.now() - started;
		expect(readFileSync(file, "utf8")).toBe(own.log.yesterday);
		expect(problems).toEqual([]);
		console.log(`the walk took ${Math.round(ms)} ms`);
		expect(ms).toBeLessThan(10_000);
	});

	test("can be used by keyboard alone", async () => {
		const { page } = await open("light");
		const focused = async () =>
			await page.evaluate<string>(
				"document.activeElement.getAttribute('aria-label') ?? document.activeElement.id",
			);
		const tabTo = async (wanted: string) => {
			for (let count = 0; count < 40 && (await focused()) !== wanted; count++)
				await page.keyboard.press("Tab");
			expect(await focused()).toBe(wanted);
		};
		await page.keyboard.press("Tab");
		await page.keyboard.press("Enter");
		expect(await focused()).toBe("main");
		// Through time.
		await tabTo("Timeline");
		const slider = page.getByRole("slider", { name: "Timeline" });
		const newest = Number(await slider.getAttribute("aria-valuenow"));
		await page.keyboard.press("ArrowLeft");
		await page.keyboard.press("PageDown");
		await expect
			.poll(async () => Number(await slider.getAttribute("aria-valuenow")))
			.toBe(newest - 11);
		await page.keyboard.press("End");
		// Through the tree, to a file.
		await tabTo("Files at this moment");
		const active = async () =>
			await page.evaluate<string>(
				"document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).querySelector('.name').textContent",
			);
		await page.keyboard.press("Home");
		for (let count = 0; count < 40 && (await active()) !== "skills"; count++)
			await page.keyboard.press("ArrowDown");
		await page.keyboard.press("ArrowRight");
		await page.getByRole("treeitem", { name: "weather" }).waitFor();
		await page.keyboard.press("ArrowRight");
		expect(await active()).toBe("weather");
		await page.keyboard.press("ArrowLeft");
		await page.keyboard.press("ArrowLeft");
		await page.getByRole("treeitem", { name: "weather" }).waitFor({ state: "detached" });
		for (let count = 0; count < 40 && (await active()) !== "SOUL.md"; count++)
			await page.keyboard.press("ArrowDown");
		await page.keyboard.press("Enter");
		await page.getByRole("heading", { name: "SOUL.md" }).waitFor();
		// The ring of the focus is seen.
		expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe(
			"solid",
		);
		// Back, and to another view.
		await page.goBack();
		await page.getByText("Choose a file to see it").waitFor();
		await page.getByRole("tab", { name: "Files" }).focus();
		await page.keyboard.press("ArrowRight");
		await page.getByRole("tab", { name: "Changes", selected: true }).waitFor();
	});

	test("runs nothing of what it shows, and asks nobody else", async () => {
		const { page, problems } = await open("light");
		const title = await page.title();
		for (const path of [
			"workspace/site/index.html",
			"workspace/site/logo.svg",
			"workspace/AGENTS.md",
		]) {
			await choose(page, path);
			if (path.endsWith(".html")) await page.getByText('document.title = "this ran"').waitFor();
			if (path.endsWith(".svg")) await page.getByRole("img", { name: "logo.svg" }).waitFor();
			if (path.endsWith(".md")) await page.getByText("<b>").waitFor();
		}
		expect(await page.title()).toBe(title);
		expect(await page.evaluate("document.scripts.length")).toBe(1);
		expect(problems).toEqual([]);
	});

	/** Answers in the place of the server. */
	const answer = async (page: Page, name: string, body: object) =>
		await page.route(`**/api/${name}`, async (route) => await route.fulfill({ json: body }));
	const longestTask = async (page: Page) =>
		await page.evaluate<number>(
			"Math.max(0, ...globalThis.longTasks.map(({ duration }) => duration))",
		);

	test.each([
		["quotes in quotes", "AGENTS.md", ">".repeat(100_000)],
		["emphasis without an end", "AGENTS.md", "*a_ ".repeat(5_000)],
		["lists in lists", "AGENTS.md", `${"- ".repeat(1_500)}x`],
		["spaced quotes in quotes", "AGENTS.md", "> ".repeat(3_000)],
		["more elements than a page shows", "AGENTS.md", "*a* ".repeat(40_000)],
		["words of C", "fetch.py", "w ".repeat(90_000)],
	])("stays in use with a hostile text: %s", async (_, name, text) => {
		const { page, problems } = await open("light");
		await answer(page, "content", { kind: "text", text, isCut: false });
		await page.evaluate(
			`globalThis.longTasks = [];
			new PerformanceObserver((list) => longTasks.push(...list.getEntries())).observe({ type: "longtask" })`,
		);
		await choose(page, `workspace/${name === "fetch.py" ? "skills/weather/" : ""}${name}`);
		const shown = page.locator("pre.text, .markdown").first();
		await shown.waitFor();
		if (name === "AGENTS.md") await page.getByText("formatting it takes too long").waitFor();
		expect((await shown.textContent())?.slice(0, 20)).toBe(text.slice(0, 20));
		console.log(`the longest task took ${Math.round(await longestTask(page))} ms`);
		// Another file is formatted as ever.
		await page.unroute("**/api/content");
		await choose(page, "workspace/MEMORY.md");
		await page.locator(".markdown h3").first().waitFor();
		expect(problems).toEqual([]);
	});

	test("draws only the visible lines of a difference of 20,000", async () => {
		const { page } = await open("light");
		const lines = Array.from({ length: 20_000 }, (_, i) => `${i % 2 === 0 ? "+" : "-"}line ${i}`);
		const unified = `--- a\n+++ b\n@@ -1,10000 +1,10000 @@\n${lines.join("\n")}\n`;
		await choose(page, "workspace/MEMORY.md");
		await page.locator(".markdown").waitFor();
		await answer(page, "difference", { kind: "text", unified, isCut: false });
		await page.evaluate(
			`globalThis.longTasks = [];
			new PerformanceObserver((list) => longTasks.push(...list.getEntries())).observe({ type: "longtask" })`,
		);
		await page.getByRole("button", { name: "Difference" }).click();
		await page.getByText(/^\+line 0$/).waitFor();
		expect(await page.locator(".line").count()).toBeLessThan(100);
		await page.locator(".unified").press("End");
		await page.getByText(/^−line 19999$/).waitFor();
		expect(await page.locator(".line").count()).toBeLessThan(100);
		console.log(`the longest task took ${Math.round(await longestTask(page))} ms`);
	});

	test("keeps the token out of the address, the history and the disk's logs, and survives a reload", async () => {
		const { page } = await open("light");
		const token = new URL(server.url).hash.slice("#token=".length);
		expect(page.url()).not.toContain(token);
		await choose(page, "workspace/MEMORY.md");
		expect(page.url()).toBe(`${new URL(server.url).origin}/`);
		await page.reload();
		await page.getByRole("heading", { name: "MEMORY.md" }).waitFor();
		expect(JSON.stringify(server.logger.events)).not.toContain(token);
		const stranger = await page.context().newPage();
		await stranger.goto(`${new URL(server.url).origin}/`);
		await stranger.getByRole("alert").waitFor();
		expect(await stranger.getByRole("treeitem").count()).toBe(0);
	});

	test("shows a secret only after a click, and only this one", async () => {
		const { page } = await open("light");
		await choose(page, "credentials/telegram.json");
		await page.getByRole("heading", { name: "This may be a secret" }).waitFor();
		expect(await page.content()).not.toContain("not-a-real-token");
		await page.getByRole("button", { name: "Show it" }).click();
		await page.getByText("not-a-real-token").waitFor();
		await choose(page, "openclaw.json");
		await page.getByRole("heading", { name: "This may be a secret" }).waitFor();
	});

	test("downloads a file, and a directory as an archive", async () => {
		const { page } = await open("light");
		await choose(page, "workspace/MEMORY.md");
		const [file] = await Promise.all([
			page.waitForEvent("download"),
			page.getByRole("button", { name: "Download" }).click(),
		]);
		expect(file.suggestedFilename()).toBe("MEMORY.md");
		expect(readFileSync(await file.path(), "utf8")).toContain("# Memory");
		await page.getByRole("searchbox").fill("");
		await page.getByRole("treeitem", { name: "workspace" }).click();
		const [archive] = await Promise.all([
			page.waitForEvent("download"),
			page.getByRole("button", { name: "Download as zip" }).click(),
		]);
		expect(archive.suggestedFilename()).toBe("workspace-134.zip");
		expect(
			readFileSync(await archive.path())
				.subarray(0, 2)
				.toString(),
		).toBe("PK");
	});

	test("speaks Chinese to a Chinese browser, without a violation, and switches", async () => {
		const { page } = await open("light", { locale: "zh-CN" });
		await page.getByRole("tab", { name: "变更" }).waitFor();
		expect(await page.evaluate("document.documentElement.lang")).toBe("zh-CN");
		expect(await violations(page)).toEqual([]);
		await picture(page, "chinese-light");
		await page.getByRole("combobox", { name: "语言" }).selectOption("en");
		await page.getByRole("tab", { name: "Changes" }).waitFor();
	});

	test("without --allow-restore it offers nothing that writes", async () => {
		await using own = await pageServer(false);
		const { page } = await open("light", { at: own });
		await choose(page, "workspace/MEMORY.md");
		await page
			.getByRole("radio", { name: /^yesterday/ })
			.first()
			.click();
		await page.getByText("Anna prefers short answers.").waitFor();
		expect(await page.getByRole("button", { name: "Put back…" }).count()).toBe(0);
		await page.getByRole("tab", { name: "Quarantine" }).click();
		await page.getByText("Start the page with --allow-restore").waitFor();
		expect(await page.getByRole("button", { name: /Put in place|Drop/ }).count()).toBe(0);
	});

	test("puts a quarantined file in place, and drops another", async () => {
		await using own = await pageServer(true);
		const { page } = await open("light", { at: own });
		await page.getByRole("tab", { name: "Quarantine" }).click();
		const row = (name: string) => page.getByRole("listitem").filter({ hasText: name });
		await row("train.md").getByRole("button", { name: "Put in place…" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Put in place" }).click();
		await row("train.md").waitFor({ state: "detached" });
		expect(readFileSync(join(own.workspace, "workspace/notes/train.md"), "utf8")).toContain(
			"ICE 704",
		);
		await row("MEMORY.md").getByRole("button", { name: "Drop…" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Drop" }).click();
		await page.getByText("Nothing is quarantined.").waitFor();
	});
});
