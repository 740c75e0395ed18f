import { describe, expect, test } from "vitest";
import { cli } from "../../../testkit/cli.ts";
import { commandLineOptions } from "../config/options.ts";
import { commandHelp, fitted, GROUPS, grouped, programHelp, wrapped } from "./help.ts";
import { longFlag, optionsOf } from "./options-of.ts";
import { COMMANDS } from "./program.ts";

const WIDTH = 80;
/** What a terminal shows without scrolling back far. */
const SCREEN = 50;
const short = { width: WIDTH, isFull: false };
const full = { width: WIDTH, isFull: true };
const linesOf = (text: string) => text.split("\n");
const flagsIn = (text: string) => [...text.matchAll(/--[a-z][a-z0-9-]*/g)].map(([flag]) => flag);

describe.each(COMMANDS.map((command) => [command.name, command] as const))(
	"%s --help",
	(_, command) => {
		const text = commandHelp(command, short);

		test("fits a screen, and no line is longer than the terminal", () => {
			expect(linesOf(text).length).toBeLessThanOrEqual(SCREEN);
			expect(linesOf(text).filter((line) => line.length > WIDTH)).toEqual([]);
		});

		test("explains its own options first and names the others once", () => {
			const { own, configured, common } = optionsOf(command);
			const listed = [...text.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map(([, flag]) => flag);
			expect(listed.slice(0, own.length)).toEqual(own.map(({ flags }) => longFlag(flags)));
			for (const { flags } of [...configured, ...common])
				if (!flags.startsWith("--no-")) expect(flagsIn(text)).toContain(longFlag(flags));
			for (const { flags } of common) expect(listed).not.toContain(longFlag(flags));
		});

		test("is complete with --help-all", () => {
			const { own, configured, common } = optionsOf(command);
			for (const { flags } of [...own, ...configured, ...common])
				expect(commandHelp(command, full)).toContain(`  ${flags}`);
		});
	},
);

describe("openclaw-sidecar --help", () => {
	const text = programHelp("About.", COMMANDS, short);

	test("fits a screen, with every command in one group", () => {
		expect(linesOf(text).length).toBeLessThanOrEqual(SCREEN + 10);
		expect(linesOf(text).filter((line) => line.length > WIDTH)).toEqual([]);
		for (const { name } of COMMANDS)
			expect([name, text.match(new RegExp(`^ {2}${name} `, "gm"))?.length]).toEqual([name, 1]);
	});

	test("explains every option with --help-all", () => {
		const all = programHelp("About.", COMMANDS, full);
		for (const { flags, meaning } of commandLineOptions()) {
			expect(all).toContain(`  ${flags}`);
			expect(all.replace(/\s+/g, " ")).toContain(meaning);
		}
	});

	test("lists a command of no group too", () => {
		const command = { name: "new", summary: "New.", run: async () => 0 };
		expect(grouped([command, ...COMMANDS]).at(-1)).toEqual(["Other", [command]]);
		expect(new Set(GROUPS.flatMap(([, names]) => names)).size).toBe(
			GROUPS.flatMap(([, names]) => names).length,
		);
	});
});

test("wraps at spaces, never twice, and keeps long words", () => {
	expect(wrapped("a bb\nccc  dddddd e", 6)).toEqual(["a bb", "ccc", "dddddd", "e"]);
	expect(wrapped("", 6)).toEqual([]);
});

test("fits a message to a terminal, and breaks no command that can be copied", () => {
	const line = "what to do: run `openclaw-sidecar flush` first, then this again";
	expect(fitted(line, undefined)).toEqual([line]);
	expect(fitted(line, 80)).toEqual([line]);
	expect(fitted(line, 40)).toEqual([
		"what to do: run",
		"  `openclaw-sidecar flush` first, then",
		"  this again",
	]);
});

test("--help-all after -- is the agent's", async () => {
	const { stdout } = await cli(["run", "--namespace", "..", "--", "agent", "--help-all"]);
	expect(stdout).toBe("");
	const all = await cli(["cat", "--help-all"]);
	expect(all).toMatchObject({ status: 0, stdout: expect.stringContaining("  --endpoint <URL>") });
});
