/** The scripts in real shells. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLI_BUNDLE } from "../../../testkit/cli.ts";
import { hasProgram } from "../../../testkit/program.ts";
import { SCRIPTS, SHELLS } from "./completion-scripts.ts";

let dir: string;
beforeAll(() => {
	dir = mkdtempSync(join(tmpdir(), "sidecar-completion-"));
	mkdirSync(join(dir, "bin"));
	const command = join(dir, "bin/openclaw-sidecar");
	writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${CLI_BUNDLE}" "$@"\n`);
	chmodSync(command, 0o755);
	for (const shell of SHELLS) writeFileSync(join(dir, `script.${shell}`), SCRIPTS[shell]);
	mkdirSync(join(dir, "cwd/a directory"), { recursive: true });
	writeFileSync(join(dir, "cwd/a file"), "");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(shell: string, ...args: readonly string[]): string {
	const env = { PATH: `${dir}/bin:${process.env.PATH}`, HOME: dir, TERM: "dumb" };
	return execFileSync(shell, args, {
		env,
		cwd: join(dir, "cwd"),
		encoding: "utf8",
		timeout: 20_000,
	});
}

/** What bash would offer for the words of a line. */
function inBash(...words: readonly string[]): string[] {
	const script = `source "$0"; source "$0"; COMP_WORDS=(openclaw-sidecar "$@"); COMP_CWORD=$#
complete -p openclaw-sidecar >/dev/null || exit 9; _openclaw_sidecar; printf '%s\\n' "\${COMPREPLY[@]}"`;
	return run("bash", "--norc", "-c", script, join(dir, "script.bash"), ...words)
		.split("\n")
		.filter((line) => line !== "")
		.sort();
}

describe("bash", () => {
	test.skipIf(!hasProgram("bash", "--version"))(
		"completes commands, options, values, files and directories",
		() => {
			expect(inBash("stat")).toEqual(["status"]);
			expect(inBash("cat", "--a")).toEqual(["--at"]);
			expect(inBash("run", "--profile", "")).toEqual(["openclaw", "plain"]);
			expect(inBash("run", "--profile", "=")).toEqual(["openclaw", "plain"]);
			expect(inBash("--config", "a")).toEqual(["a directory", "a file"]);
			expect(inBash("export", "a")).toEqual(["a directory"]);
			expect(inBash("status", "x")).toEqual([]);
		},
	);
});

describe("fish", () => {
	const inFish = (line: string) =>
		run("fish", "--no-config", "-c", `source ${join(dir, "script.fish")}; complete -C '${line}'`)
			.split("\n")
			.map((each) => each.split("\t")[0])
			.filter((each) => each !== "");

	test.skipIf(!hasProgram("fish", "--version"))(
		"completes commands, options, values, files and directories",
		() => {
			expect(inFish("openclaw-sidecar stat")).toEqual(["status"]);
			expect(inFish("openclaw-sidecar cat --a")).toEqual(["--at"]);
			expect(inFish("openclaw-sidecar run --profile ")).toEqual(["openclaw", "plain"]);
			expect(inFish("openclaw-sidecar --config a")).toEqual(["a directory/", "a file"]);
			expect(inFish("openclaw-sidecar export a")).toEqual(["a directory/"]);
		},
	);
});

describe("zsh", () => {
	/** Types a line with a TAB into an interactive shell, and returns the line as it then stands. */
	const inZsh = (line: string) =>
		run(
			"zsh",
			"-f",
			"-c",
			`zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "autoload -Uz compinit; compinit -u -D; source $1; PS1=; unsetopt zle_bracketed_paste; accept() { print -r -- \\"<\\$BUFFER>\\"; BUFFER=; zle accept-line }; zle -N accept; bindkey '^X' accept; print ready-\\$((1+1))"
zpty -r -m z seen '*ready-2*'
zpty -w -n z "$2"$'\\t\\x18'
zpty -r -m z seen '*<*>*'
print -r -- "$seen"`,
			"zsh",
			join(dir, "script.zsh"),
			line,
		).match(/<(.*)>/)?.[1];

	test.skipIf(!hasProgram("zsh", "--version"))(
		"completes commands, options, values and directories",
		() => {
			expect(inZsh("openclaw-sidecar stat")).toBe("openclaw-sidecar status ");
			expect(inZsh("openclaw-sidecar cat --a")).toBe("openclaw-sidecar cat --at ");
			expect(inZsh("openclaw-sidecar run --profile pl")).toBe(
				"openclaw-sidecar run --profile plain ",
			);
			expect(inZsh("openclaw-sidecar export a")).toBe("openclaw-sidecar export a\\ directory/");
		},
	);
});
