import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hasProgram } from "../../../testkit/program.ts";
import { commandLineOptions } from "../config/options.ts";
import { ERRORS } from "../errors.ts";
import { manPage } from "./man.ts";
import { ABOUT, COMMANDS } from "./program.ts";

const page = manPage(ABOUT, COMMANDS, "1.2.3");
const plain = page.replaceAll("\\-", "-");

test("the man page has every command, option and error code", () => {
	for (const { name, summary } of COMMANDS) {
		expect(plain).toContain(`\n.B ${name}`);
		expect(plain).toContain(summary.replaceAll('"', "\\(dq"));
	}
	for (const { flags } of [
		...commandLineOptions(),
		...COMMANDS.flatMap(({ options = [] }) => options),
	])
		expect(plain).toContain(`\\fB${flags.match(/--[a-z-]+/)?.[0]}\\fR`);
	for (const code of Object.keys(ERRORS)) expect(plain).toContain(code);
	expect(page).not.toMatch(/[^\\]--/);
});

test.skipIf(!hasProgram("mandoc", "-h"))(
	"mandoc finds nothing wrong but the date, which would differ in each build",
	() => {
		const dir = mkdtempSync(join(tmpdir(), "sidecar-man-"));
		try {
			const file = join(dir, "openclaw-sidecar.1");
			writeFileSync(file, page);
			const { stdout } = spawnSync("mandoc", ["-T", "lint", "-W", "warning", file], {
				encoding: "utf8",
			});
			const problems = stdout.split("\n").filter((line) => line !== "");
			expect(problems.filter((line) => !line.includes("missing date"))).toEqual([]);
			const shown = spawnSync("mandoc", ["-T", "ascii", file], { encoding: "utf8" }).stdout;
			// biome-ignore lint/suspicious/noControlCharactersInRegex: mandoc overstrikes bold letters
			expect(shown.replace(/.\u0008/g, "")).toMatch(
				/cat <PATH>\s+Write a file of a commit to stdout/,
			);
		} finally {
			rmSync(dir, { recursive: true });
		}
	},
);
