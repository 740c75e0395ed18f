import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { openBrowser } from "./open-browser.ts";

const URL_WITH_TOKEN = "http://127.0.0.1:4711/#token=abc";

test("the browser is given a private file, so that the token is on no command line", async () => {
	const place = testDirectory();
	const command = join(place, "opener");
	writeFileSync(
		command,
		`#!/bin/sh\nprintf %s "$*" > ${place}/next && mv ${place}/next ${place}/arguments\n`,
		{
			mode: 0o755,
		},
	);
	let path: string;
	{
		using opened = await openBrowser(URL_WITH_TOKEN, command);
		expect(opened.isOpen).toBe(true);
		await expect
			.poll(() => readFileSync(join(place, "arguments"), "utf8"))
			.toMatch(/^file:.*open\.html$/);
		path = fileURLToPath(readFileSync(join(place, "arguments"), "utf8"));
		expect(readFileSync(path, "utf8")).toContain(`url=${URL_WITH_TOKEN}`);
		expect(statSync(path).mode & 0o777).toBe(0o600);
	}
	expect(() => statSync(path)).toThrow("ENOENT");
});

test("without a desktop it says that nothing was opened", async () => {
	using opened = await openBrowser(URL_WITH_TOKEN, "/nonexistent/opener");
	expect(opened.isOpen).toBe(false);
});
