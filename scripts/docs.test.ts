/**
 * Tests README, CONTRIBUTING and docs against the repository: links resolve, commands exist, and
 * marked blocks run.
 */
import { spawnSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { sessionPolicy } from "../packages/sidecar/src/agentcore/session-policy.ts";
import { CONFIG_FILE_OPTION, envOf, OPTION_LIST } from "../packages/sidecar/src/config/options.ts";
import { commandsIn, helpOf, problemOf, ROOT } from "./commands.ts";
import { type MarkdownPage, parseMarkdown } from "./markdown.ts";

const FOLDERS = [
	"",
	"docs",
	"docs/decisions",
	"changelog",
	"falco",
	"packages/image",
	"packages/infra",
	"packages/infra/lambda",
	"packages/sidecar",
	"examples",
	"examples/compose",
];
const paths = FOLDERS.flatMap((folder) =>
	readdirSync(join(ROOT, folder))
		// `npm pack` writes the changelog of the package.
		.filter(
			(name) => name.endsWith(".md") && !(folder === "packages/sidecar" && name !== "README.md"),
		)
		.map((name) => join(folder, name)),
);
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const pages = new Map<string, MarkdownPage>(paths.map((path) => [path, parseMarkdown(read(path))]));
/** The default suite builds it before its first test. */
const COMMAND = join(ROOT, "packages/sidecar/dist/openclaw-sidecar.js");
const help = helpOf(COMMAND);

test("the pages are found", () => {
	expect(paths).toEqual(
		expect.arrayContaining([
			"README.md",
			"CONTRIBUTING.md",
			"SECURITY.md",
			"docs/format.md",
			"docs/decisions/README.md",
		]),
	);
});

describe.each([...pages])("%s", (path, { links, blocks, inlineCode }) => {
	test("links lead to files and headings that exist", () => {
		const broken = links.filter((link) => {
			if (/^(?:https?|mailto):/.test(link)) return false;
			const [file = "", anchor] = link.split("#");
			const target = file === "" ? path : join(dirname(path), file);
			if (!existsSync(join(ROOT, target))) return true;
			return (
				anchor !== undefined &&
				!(pages.get(target) ?? parseMarkdown(read(target))).anchors.has(anchor)
			);
		});
		expect(broken).toEqual([]);
	});

	test("commands exist, with their verbs, flags and scripts", () => {
		const shown = blocks
			.filter(({ language }) => language === "sh")
			.flatMap(({ text }) => commandsIn(text));
		// A decision also names rejected commands, and those that only the sidecar itself starts.
		const checked = path.startsWith("docs/decisions/") ? [] : inlineCode;
		const named = checked
			.filter((code) => /^(?:openclaw-sidecar|pnpm) [a-z]/.test(code))
			.flatMap(commandsIn);
		const problems = [...shown, ...named].map((words) => [words.join(" "), problemOf(words, help)]);
		expect(problems.filter(([, problem]) => problem !== undefined)).toEqual([]);
	});

	test("variables of the sidecar are options, and JSON is JSON", () => {
		const options = new Set(
			[CONFIG_FILE_OPTION, ...OPTION_LIST.map(([, option]) => option)].map(envOf),
		);
		const variables = read(path).match(/OPENCLAW_SIDECAR_[A-Z_]*[A-Z]/g) ?? [];
		expect(variables.filter((name) => !options.has(name))).toEqual([]);
		for (const { language, text } of blocks)
			if (language === "json") expect(() => JSON.parse(text)).not.toThrow();
	});
});

const runnable = [...pages].filter(([, { blocks }]) => blocks.some(({ isRun }) => isRun));

test("the pages for beginners have blocks that are run", () => {
	expect(runnable.map(([path]) => path)).toEqual(
		expect.arrayContaining(["README.md", "docs/install.md", "docs/standalone.md"]),
	);
});

test.each(runnable)("what %s shows runs, with a directory as the store", (_, { blocks }) => {
	const scratch = mkdtempSync(join(tmpdir(), "docs-"));
	try {
		const bin = join(scratch, "bin");
		mkdirSync(bin);
		const command = `exec "${process.execPath}" "${COMMAND}" "$@"`;
		writeFileSync(join(bin, "openclaw-sidecar"), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
		// Run the built command instead of one that pnpm builds first.
		const npx = `[ "$1 $2 $3 $4" = "-y pnpm --silent openclaw-sidecar" ] || exit 99\nshift 4\n${command}`;
		writeFileSync(join(bin, "npx"), `#!/bin/sh\n${npx}\n`, { mode: 0o755 });
		const script = blocks
			.filter(({ isRun }) => isRun)
			.map(({ text }) => text.replaceAll("/tmp/", `${scratch}/`));
		const env = {
			PATH: `${bin}:${process.env.PATH}`,
			HOME: scratch,
			NODE_COMPILE_CACHE: join(ROOT, ".cache/node"),
		};
		const { status, stderr } = spawnSync("sh", ["-eu", "-c", script.join("\n")], {
			cwd: scratch,
			env,
			encoding: "utf8",
		});
		expect(status, stderr).toBe(0);
	} finally {
		rmSync(scratch, { recursive: true });
	}
});

test.each(["README.md", "docs/iam.md"])(
	"%s grants what the daemon grants a user's session",
	(path) => {
		const policies = pages.get(path)?.blocks.filter(({ language }) => language === "json");
		const granted = sessionPolicy({
			bucket: { bucket: "my-bucket", prefix: "" },
			namespace: "anna",
			partition: "aws",
		});
		expect(JSON.parse(policies?.[0]?.text ?? "")).toEqual(JSON.parse(granted));
	},
);

test("a broken command is noticed", () => {
	const problem = (line: string) => commandsIn(line).map((words) => problemOf(words, help));
	expect(problem("openclaw-sidecar restroe")).toEqual(["restroe is not a verb"]);
	expect(problem("openclaw-sidecar gc --dry-run --keep-al 7d # kept")).toEqual([
		"gc has no --keep-al",
	]);
	expect(problem("openclaw-sidecar run -- agent --any-flag && pnpm nothing")).toEqual([
		undefined,
		"there is no script nothing",
	]);
	expect(problem("A=b s5cmd sync; aws s3 rm")).toEqual([
		"s5cmd is not a known program",
		"aws s3 is not a known subcommand",
	]);
});
