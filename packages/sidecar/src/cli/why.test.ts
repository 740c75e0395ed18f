import { mkdirSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";

test("why prints one answer per path with what to do, as lines and as JSON, and exits with 0", async () => {
	using place = new Place();
	mkdirSync(place.path("a", "private"), { recursive: true });
	writeFileSync(place.path("a", "private/x"), "x");
	writeFileSync(place.path("a", "notes.md"), "x");
	writeFileSync(place.path("a", ".openclaw-sidecar-ignore"), "/private/\n");
	await place.cli("a", ["flush"]);
	const paths = ["notes.md", "private/x", place.path("a", "none\u001b")];
	expect(await place.cli("a", ["why", ...paths])).toMatchObject({
		status: 0,
		stdout: `notes.md: stored: commit 2, the newest, has it
private/x: not stored [ignored]: line 1 of .openclaw-sidecar-ignore, /private/, leaves private/ out
  what to do: remove that line, or add the lines !/private/ /private/* !/private/x to the end of .openclaw-sidecar-ignore
${place.path("a", "none")}\\u001b: not stored [missing]: it is neither on this disk nor in the newest commit
`,
	});
	const { status, stdout } = await place.cli("a", ["why", "--json", ...paths]);
	expect(status).toBe(0);
	expect(
		stdout
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line)),
	).toEqual([
		expect.objectContaining({ path: "notes.md", stored: true, code: "stored", commit: 2 }),
		{
			path: "private/x",
			treePath: "private/x",
			stored: false,
			code: "ignored",
			reason: expect.any(String),
			remedy: expect.any(String),
			rule: { pattern: "/private/", line: 1, at: "private" },
		},
		expect.objectContaining({ stored: false, code: "missing" }),
	]);
	expect(await place.cli("a", ["why"])).toMatchObject({ status: 2 });
	const asked = await place.cli("a", ["check-ignore", "private/x"]);
	expect(asked.stdout).toMatch(/^private\/x: not stored \[ignored\]: line 1 of /);
});
