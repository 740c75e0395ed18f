/**
 * Runs every command of docs/migrate.md, with the real restic and rclone and a real S3 server.
 * Without these programs the tests are skipped, except with CI=true.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
	chmodSync,
	lutimesSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLI_BUNDLE } from "../../testkit/cli.ts";
import { plainBucket } from "../../testkit/store/plain-bucket.ts";
import { s3TestServer } from "../../testkit/store/s3-server.ts";
import { readDisk } from "../../testkit/workspace/disk.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/migrate.md"), "utf8");
const server = s3TestServer();
const lacksTool = (name: string) => spawnSync(name, ["version"]).status !== 0;
const isRequired = process.env.CI === "true";

let place: string;
beforeEach(() => {
	place = realpathSync(mkdtempSync(join(tmpdir(), "sidecar-migrate-")));
	for (const name of ["srv", "tmp", "bin"]) mkdirSync(join(place, name));
	const command = `#!/bin/sh\nexec "${process.execPath}" "${CLI_BUNDLE}" "$@"\n`;
	writeFileSync(join(place, "bin/openclaw-sidecar"), command, { mode: 0o755 });
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const at = (...names: readonly string[]) => join(place, ...names);

/** A workspace with what moves badly: modes, times, links, odd names, an empty directory, SQLite. */
function fill(directory: string): void {
	mkdirSync(join(directory, "memory/empty"), { recursive: true });
	writeFileSync(join(directory, "MEMORY.md"), "remember\n", { mode: 0o644 });
	writeFileSync(join(directory, "memory/straße 50%.md"), "x\n".repeat(3), { mode: 0o600 });
	writeFileSync(join(directory, "run.sh"), "#!/bin/sh\n");
	chmodSync(join(directory, "run.sh"), 0o755);
	const database = new DatabaseSync(join(directory, "state.sqlite"));
	database.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	database.close();
	symlinkSync("MEMORY.md", join(directory, "link"));
	lutimesSync(join(directory, "link"), 1_500_000_000, 1_500_000_000);
	utimesSync(join(directory, "MEMORY.md"), 1_400_000_000, 1_400_000_000.123);
}

/** The commands below a heading of the page, in this test's own place. */
function commandsOf(heading: string, number = 0): string {
	const [, section = ""] = PAGE.split(`\n## ${heading}\n`);
	const blocks = [...(section.split("\n## ")[0] ?? "").matchAll(/```sh\n(.*?)```/gs)];
	const { 1: commands = "" } = blocks[number] ?? [];
	if (commands === "") throw new Error(`docs/migrate.md has no such block below ${heading}`);
	return commands.replaceAll(/\/(srv|tmp)\//g, `${place}/$1/`);
}

function run(commands: string, env: NodeJS.ProcessEnv = {}): string {
	const { status, stdout, stderr } = spawnSync("sh", ["-eux", "-c", commands], {
		cwd: place,
		encoding: "utf8",
		env: {
			PATH: `${at("bin")}:${process.env.PATH}`,
			HOME: place,
			OPENCLAW_SIDECAR_STORE: `file://${at("store")}`,
			OPENCLAW_SIDECAR_PROFILE: "plain",
			...env,
		},
	});
	expect([status, stderr]).toEqual([0, expect.any(String)]);
	return stdout;
}

/** The S3 server of the tests for the sidecar and for rclone. */
const s3 = () => ({
	AWS_ENDPOINT_URL_S3: server?.endpoint,
	AWS_REGION: server?.region,
	AWS_ACCESS_KEY_ID: server?.accessKeyId,
	AWS_SECRET_ACCESS_KEY: server?.secretAccessKey,
	RCLONE_CONFIG_R2_TYPE: "s3",
	RCLONE_CONFIG_R2_PROVIDER: "Other",
	RCLONE_CONFIG_R2_ENDPOINT: server?.endpoint,
	RCLONE_CONFIG_R2_ENV_AUTH: "true",
});

/** Everything but the sidecar's own directory. */
const disk = (directory: string) =>
	new Map([...readDisk(directory)].filter(([path]) => !path.startsWith(".openclaw-sidecar")));

test("from a directory, and back out, byte for byte with modes and times", () => {
	fill(at("srv/old-agent"));
	const before = disk(at("srv/old-agent"));
	run(commandsOf("From a directory"));
	expect(disk(at("srv/agent"))).toEqual(before);
	run(commandsOf("Back out"));
	expect(disk(at("tmp/out"))).toEqual(before);
	expect(disk(at("srv/old-agent"))).toEqual(before);
});

test.skipIf(server === undefined)("from the objects of aws-samples' host", async () => {
	await using bucket = await plainBucket();
	const prefix = "telegram_123456789/.openclaw/";
	await bucket.put(`${prefix}MEMORY.md`, "remember\n");
	await bucket.put(`${prefix}workspace/memory/2026-11-29.md`, "yesterday\n");
	await bucket.put("telegram_42/.openclaw/MEMORY.md", "someone else's\n");
	run(commandsOf("From aws-samples' OpenClaw host").replaceAll("old-bucket", bucket.bucket), s3());
	const files = [...disk(at("srv/agent"))].map(([path]) => path);
	expect(files).toEqual(expect.arrayContaining(["MEMORY.md", "workspace/memory/2026-11-29.md"]));
	expect(readFileSync(at("srv/agent/MEMORY.md"), "utf8")).toBe("remember\n");
	expect(await bucket.count("telegram_123456789/")).toBe(2);
});

describe.skipIf(!isRequired && lacksTool("rclone"))("with rclone", () => {
	test("from moltworker's three prefixes, with the second directory as a root", async () => {
		await using bucket = await plainBucket();
		fill(at("srv/config"));
		fill(at("srv/clawd-before"));
		rmSync(at("srv/clawd-before/link"));
		const skill = at("srv/clawd-before/skills/one/SKILL.md");
		mkdirSync(join(skill, ".."), { recursive: true });
		writeFileSync(skill, "a skill\n");
		const remote = `r2:${bucket.bucket}`;
		run(
			`rclone sync ${at("srv/config")} ${remote}/openclaw
			rclone sync --exclude "skills/**" ${at("srv/clawd-before")} ${remote}/workspace
			rclone sync ${at("srv/clawd-before/skills")} ${remote}/skills`,
			s3(),
		);
		run(commandsOf("From moltworker or rclone").replaceAll("moltbot-data", bucket.bucket), s3());
		for (const [from, to] of [
			["srv/config", "srv/agent"],
			["srv/clawd-before", "srv/clawd"],
		] as const)
			for (const name of ["MEMORY.md", "memory/straße 50%.md", "state.sqlite"])
				expect(readFileSync(at(to, name))).toEqual(readFileSync(at(from, name)));
		expect(readFileSync(at("srv/clawd/skills/one/SKILL.md"), "utf8")).toBe("a skill\n");
	});

	test("and back out to objects, whose files rclone restores with modes and times", async () => {
		await using bucket = await plainBucket();
		fill(at("srv/old-agent"));
		rmSync(at("srv/old-agent/link"));
		run(commandsOf("From a directory"));
		run(commandsOf("Back out", 1).replaceAll("old-bucket", bucket.bucket), s3());
		const files = (directory: string) =>
			new Map([...disk(directory)].filter(([, entry]) => entry.type === "file"));
		expect(files(at("tmp/out-by-rclone"))).toEqual(files(at("srv/old-agent")));
	});
});

test.skipIf(!isRequired && lacksTool("restic"))(
	"from restic, byte for byte with modes and times",
	() => {
		fill(at("srv/old-agent"));
		const before = disk(at("srv/old-agent"));
		const env = { RESTIC_REPOSITORY: at("restic"), RESTIC_PASSWORD: "x" };
		run(`restic init && restic backup ${at("srv/old-agent")}`, env);
		run(commandsOf("From restic"), env);
		expect(disk(at("srv/agent"))).toEqual(before);
	},
);

test("every command of the page is run here", () => {
	const headings = [...PAGE.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading as string);
	const blocks = headings.filter((heading) =>
		(PAGE.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "").includes("```sh"),
	);
	expect(blocks).toEqual([
		"From a directory",
		"From aws-samples' OpenClaw host",
		"From moltworker or rclone",
		"From restic",
		"Back out",
	]);
	expect(() => execFileSync("sh", ["-n", "-c", commandsOf("Back out", 1)])).not.toThrow();
});
