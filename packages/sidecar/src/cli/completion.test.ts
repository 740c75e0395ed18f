import { describe, expect, test } from "vitest";
import { cli } from "../../../testkit/cli.ts";
import type { Command } from "./command.ts";
import { complete, completionLines } from "./complete.ts";
import { SCRIPTS, SHELLS } from "./completion-scripts.ts";
import { longFlag } from "./options-of.ts";
import { COMMANDS } from "./program.ts";

const values = (...words: readonly string[]) => complete(words).found.map(([value]) => value);
const all = (...words: readonly string[]) => ({
	values: values(...words),
	files: complete(words).files,
});

describe("offers", () => {
	test("commands and their other names, with what they are for", () => {
		expect(values("")).toEqual(expect.arrayContaining(COMMANDS.map(({ name }) => name)));
		expect(values("stat")).toEqual(["status"]);
		expect(values("check-")).toEqual(["check-ignore"]);
		expect(complete(["stat"]).found[0]?.[1]).toMatch(/durable/);
		expect(values("help", "ca")).toEqual(["cat"]);
	});

	test.each(COMMANDS)("the options of $name, each once", ({ name, options = [] }: Command) => {
		const offered = values(name, "--");
		for (const { flags } of options) expect(offered).toContain(longFlag(flags));
		expect(offered).toEqual(expect.arrayContaining(["--store", "--json", "--help", "--help-all"]));
		expect(new Set(offered).size).toBe(offered.length);
	});

	test("options that are not given yet, before and after the command", () => {
		expect(values("--store", "file:///s", "cat", "--at", "2", "--st")).toEqual(["--state-dir"]);
		expect(values("--works")).toEqual(["--workspace"]);
		expect(values("--root", "a=/b", "ls", "--ro")).toEqual(["--root"]);
	});

	test("values, after a space and after =", () => {
		expect(all("status", "--profile", "")).toEqual({
			values: ["openclaw", "plain"],
			files: "none",
		});
		expect(values("run", "--log-level", "w")).toEqual(["warn"]);
		expect(values("run", "--log-level=w")).toEqual(["--log-level=warn"]);
		// bash makes three words of it.
		expect(values("run", "--log-level", "=", "w")).toEqual(["warn"]);
		expect(values("run", "--log-level", "=")).toContain("debug");
		expect(values("completion", "")).toEqual(["bash", "zsh", "fish"]);
		expect(values("service", "st")).toEqual(["status"]);
	});

	test("files and directories where they fit, and nothing where they do not", () => {
		expect(all("--config", "")).toEqual({ values: [], files: "files" });
		expect(all("run", "--workspace", "")).toEqual({ values: [], files: "dirs" });
		expect(all("export", "")).toEqual({ values: [], files: "dirs" });
		expect(all("why", "a", "")).toEqual({ values: [], files: "files" });
		expect(all("status", "")).toEqual({ values: [], files: "none" });
		expect(all("history", "--limit", "")).toEqual({ values: [], files: "none" });
	});

	test("files for the agent's own arguments", () => {
		expect(all("run", "--", "--st")).toEqual({ values: [], files: "files" });
	});
});

test("prints a line for each, and the kind of files last", async () => {
	expect(completionLines({ found: [["a", "A."]], files: "dirs" })).toBe("a\tA.\n:dirs\n");
	const asked = await cli(["__complete", "--store", "x", "his"]);
	expect(asked).toMatchObject({ status: 0, stderr: "" });
	expect(asked.stdout).toMatch(/^history\t.+\n:none\n$/);
});

test("completion prints each shell's script, and refuses another shell", async () => {
	for (const shell of SHELLS)
		expect(await cli(["completion", shell])).toMatchObject({ status: 0, stdout: SCRIPTS[shell] });
	const refused = await cli(["completion", "zhs"]);
	expect(refused.status).toBe(2);
	expect(refused.stderr).toContain("zhs: SHELL must be bash, zsh or fish; did you mean zsh?");
});
