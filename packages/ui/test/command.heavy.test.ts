/** The real command beside a real daemon, in a real browser. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Place } from "../../testkit/cli.ts";
import { buildUi, UI_DIRECTORY } from "../build.ts";
import { chromiumPath, startChromium } from "./chromium.ts";

const CHROMIUM = chromiumPath();

beforeAll(async () => {
	if (!existsSync(join(UI_DIRECTORY, "index.html"))) await buildUi();
});

describe.skipIf(CHROMIUM === undefined)("beside a running daemon", () => {
	test("the page follows new commits, restores through the daemon, and notices the end", async () => {
		using place = new Place();
		const file = place.path("a", "notes/one.md");
		mkdirSync(place.path("a", "notes"), { recursive: true });
		writeFileSync(file, "first\n");
		await using daemon = await place.run("a");
		await using command = place.start("a", [
			...["ui", "--no-open", "--allow-restore", "--json", "--log-level", "info"],
		]);
		const url = await command.firstLine();
		const browser = await startChromium(CHROMIUM as string);
		try {
			const page = await browser.newPage();
			await page.goto((JSON.parse(url) as { url: string }).url);
			await page.getByText("Everything is in the log").waitFor();
			const newest = async () =>
				Number(await page.getByRole("slider", { name: "Timeline" }).getAttribute("aria-valuemax"));
			const before = await newest();
			writeFileSync(file, "second\n");
			await expect.poll(newest).toBeGreaterThan(before);
			await page.getByRole("searchbox").fill("one.md");
			await page
				.getByRole("region", { name: "Search" })
				.getByRole("button", { name: "notes/one.md" })
				.click();
			await page.getByText("second").waitFor();
			await page.getByRole("radio").nth(1).click();
			await page.getByText("first").waitFor();
			await page.getByRole("button", { name: "Put back…" }).click();
			await page.getByRole("dialog").getByRole("button", { name: "Put back" }).click();
			await expect.poll(() => readFileSync(file, "utf8")).toBe("first\n");
			await page
				.getByText(/^Put back\. (?!not committed)/)
				.first()
				.waitFor();
			expect((await command.stop("SIGINT")).status).toBe(0);
			await page.getByText("No connection").waitFor();
		} finally {
			await browser.close();
		}
		expect((await daemon.stop()).status).toBe(0);
	});
});
