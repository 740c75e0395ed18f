/**
 * Checks a command in a document without running it: is its program known, and do verb, flags,
 * script and path exist?
 *
 * Not guaranteed: that the command works. Blocks marked with `<!-- run -->` are run for that.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

const OWN_COMMANDS = ["openclaw-sidecar", "sidecar"];
/** Programs whose arguments are not checked. */
const PROGRAMS = new Set([
	"alias",
	"cd",
	"cp",
	"curl",
	"diff",
	"echo",
	"export",
	"falco",
	"falcoctl",
	"find",
	"git",
	"helm",
	"ln",
	"loginctl",
	"install",
	"mkdir",
	"node",
	"npm",
	"rm",
	"sha256sum",
	"systemctl",
]);
/** Programs of which only some subcommands are used. */
const SUBCOMMANDS: Readonly<Record<string, readonly string[]>> = {
	rclone: ["copy --metadata"],
	restic: ["restore latest"],
	aws: [
		"ecs create-service",
		"ecs register-task-definition",
		"events put-rule",
		"events put-targets",
		"logs delete-log-group",
		"logs describe-log-groups",
		"cloudformation detect-stack-drift",
		"cloudwatch put-metric-alarm",
		"lambda invoke",
		"logs put-metric-filter",
		"secretsmanager describe-secret",
		"secretsmanager put-secret-value",
		"secretsmanager rotate-secret",
		"securityhub enable-security-hub",
		"ssm create-association",
		"ssm get-parameter",
		"ssm put-parameter",
	],
	cosign: ["attest", "sign", "verify-attestation"],
	docker: ["build", "buildx imagetools inspect", "exec", "run", "stop"],
	grype: ["sbom:"],
	podman: ["build", "exec", "run", "stop"],
	"podman-compose": ["down", "exec", "up"],
};
const PNPM_FLAGS = ["-y", "--silent"];
const PNPM_COMMANDS = ["install", "test"];
const scripts = Object.keys(readJson("package.json").scripts ?? {});
const packages = readdirSync(join(ROOT, "packages")).map(
	(name) => readJson(`packages/${name}/package.json`).name,
);

/**
 * The commands of a shell block: comments removed, continued lines joined, split where the shell
 * would start another program.
 */
export function commandsIn(block: string): string[][] {
	const commands: string[][] = [];
	for (const line of block.replaceAll(/\\\n/g, " ").split("\n")) {
		let words: string[] = [];
		for (const [word] of line.matchAll(
			/(?:'[^']*'|"[^"]*"|[^\s;|&#'"]|(?<=\S)#)+|&&|\|\|?|;|#.*/g,
		)) {
			if (word.startsWith("#")) break;
			if (!["&&", "||", "|", ";"].includes(word)) words.push(word);
			else {
				commands.push(words);
				words = [];
			}
		}
		commands.push(words);
	}
	// `A=b command`: only the command matters.
	return commands
		.map((words) => words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word))))
		.filter((words) => words.length > 0);
}

/**
 * @param help of a verb, or of the whole command without one
 * @returns undefined if nothing is wrong
 */
export function problemOf(
	words: readonly string[],
	help: (verb?: string) => string,
): string | undefined {
	const [program = "", ...rest] = words[0] === "sudo" ? words.slice(1) : words;
	if (OWN_COMMANDS.includes(program)) return problemOfOwn(rest, help);
	if (program === "npx" && OWN_COMMANDS.includes(rest[0] ?? ""))
		return problemOfOwn(rest.slice(1), help);
	if (program === "npx" && rest[0] === "-y" && rest[1] === "pnpm")
		return problemOfPnpm(rest.slice(2), help);
	if (program === "pnpm") return problemOfPnpm(rest, help);
	if (program.includes("/"))
		return existsSync(join(ROOT, program)) ? undefined : `there is no ${program}`;
	const subcommands = SUBCOMMANDS[program];
	if (subcommands !== undefined) {
		return subcommands.some((name) => rest.join(" ").startsWith(name))
			? undefined
			: `${program} ${rest[0]} is not a known subcommand`;
	}
	return PROGRAMS.has(program) ? undefined : `${program} is not a known program`;
}

function problemOfOwn(
	args: readonly string[],
	help: (verb?: string) => string,
): string | undefined {
	const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
	const listed = [...help().matchAll(/^ {2}([a-z][a-z-]*)(?= )/gm)].map(([, verb]) => verb);
	// The examples begin with the command.
	const verbs = listed.filter((verb) => verb !== undefined && !OWN_COMMANDS.includes(verb));
	const [verb] = own.filter((word) => verbs.includes(word));
	if (verb === undefined && !/^(?:-|…$)/.test(own[0] ?? "")) return `${own[0]} is not a verb`;
	const known = new Set(`${help()}\n${help(verb)}`.match(/(?<=^ {2}(?:-\w, )?)--[a-z0-9-]+/gm));
	const unknown = own
		.map((word) => word.split("=")[0] as string)
		.find((word) => word.startsWith("--") && !known.has(word));
	return unknown === undefined ? undefined : `${verb ?? "the command"} has no ${unknown}`;
}

function problemOfPnpm(
	args: readonly string[],
	help: (verb?: string) => string,
): string | undefined {
	const [name = "", ...rest] = args.filter((word) => !PNPM_FLAGS.includes(word));
	if (name === "openclaw-sidecar") return problemOfOwn(rest, help);
	if (name === "--filter")
		return packages.includes(rest[0]) ? undefined : `there is no package ${rest[0]}`;
	if (name === "exec")
		return rest.find((word) => word.includes("/") && !existsSync(join(ROOT, word)));
	return [...scripts, ...PNPM_COMMANDS].includes(name) ? undefined : `there is no script ${name}`;
}

/** `--help-all` of a verb of the built command; each is called once. */
export function helpOf(entry: string): (verb?: string) => string {
	const kept = new Map<string | undefined, string>();
	return (verb) => {
		const known = kept.get(verb);
		if (known !== undefined) return known;
		const env = { ...process.env, NODE_COMPILE_CACHE: join(ROOT, ".cache/node") };
		const text = execFileSync(
			process.execPath,
			[entry, ...(verb === undefined ? [] : [verb]), "--help-all"],
			{ env, encoding: "utf8" },
		);
		kept.set(verb, text);
		return text;
	};
}

function readJson(path: string): { readonly name?: string; readonly scripts?: object } {
	return JSON.parse(readFileSync(join(ROOT, path), "utf8")) as {
		readonly name?: string;
		readonly scripts?: object;
	};
}
