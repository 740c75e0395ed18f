import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { requireProgram } from "./require-program.ts";

let place: string;
beforeAll(() => {
	place = mkdtempSync(join(tmpdir(), "sidecar-program-"));
	for (const name of ["bin", "ws"]) mkdirSync(join(place, name));
	writeFileSync(join(place, "bin/there"), "");
	symlinkSync(join(place, "ws/bin/agent"), join(place, "bin/into-workspace"));
	symlinkSync(join(place, "ws"), join(place, "link"));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const looked = (file: string, path = `/nowhere:${join(place, "bin")}`) =>
	requireProgram([file, "x"], { PATH: path }, [join(place, "ws")]);

test("a program that is nowhere is refused, by its name and by its path", () => {
	for (const file of ["not-there", join(place, "bin/not-there"), "/nowhere/at/all"])
		expect(() => looked(file)).toThrow(
			expect.objectContaining({
				code: "AGENT_NOT_STARTED",
				message: expect.stringContaining(file),
			}),
		);
});

test("a program that is there, and one that a restore may bring, are not refused", () => {
	for (const file of ["there", "into-workspace", "ws/agent", "link/bin/agent"])
		looked(file.includes("/") ? join(place, file) : file);
	looked("agent", join(place, "ws/bin"));
	expect(() => looked("there", "/nowhere")).toThrow();
});
