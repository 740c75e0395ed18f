/**
 * Compares what OpenClaw itself calls its state with what a flush stores: the flush must not miss
 * anything.
 *
 * The reference is OpenClaw's own backup of a state directory with a file in each place that its
 * documentation names. Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB). With CI=true
 * its absence is an error.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import buildSidecar from "../packages/testkit/build-command.ts";
import { findOrInstallOpenClaw, OPENCLAW_ENV } from "../packages/testkit/openclaw/openclaw.ts";
import { killEverything, run } from "../packages/testkit/processes.ts";
import { SIDECAR_LAUNCHER } from "./sidecar.ts";

const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
if (openclaw.kind === "missing") {
	if (process.env.CI === "true")
		throw new Error(`OpenClaw cannot be asked for its state here: ${openclaw.reason}`);
	console.warn(`skipped: OpenClaw cannot be asked for its state here: ${openclaw.reason}`);
}

/** Paths that OpenClaw's backup has and no flush stores, with the reasons. */
const EXCEPTIONS: readonly (readonly [RegExp, string])[] = [
	[/^cache\//, "made again at the next start, 52 MB; state in it is reported"],
	[/^logs\//, "diagnostics of one machine, up to 13 GB; nothing reads them back"],
	[
		/^agents\/[^/]+\/agent\/codex-home\/(?:cache|shell_snapshots)\//,
		"Codex makes them again for each session",
	],
	[
		/^browser\/[^/]+\/user-data\/(?:[^/]+\/)?(?:Code Cache|Cache|GPUCache|\w*ShaderCache)\//,
		"Chromium fetches and compiles again",
	],
	[
		/^(?:openclaw\.json|state\/[^/]+|agents\/[^/]+\/sessions\/[^/]+\.jsonl?)\.lock$/,
		"a lock that is restored keeps the next gateway down",
	],
];

const PLANTED = [
	"agents/main/agent/auth-profiles.json",
	"agents/main/agent/codex-home/auth.json",
	"agents/main/agent/codex-home/cache/x",
	"agents/main/agent/codex-home/worktrees/1/tmp.txt",
	"agents/main/agent/proj/uv.lock",
	"agents/main/sessions/cold/0a.jsonl.zst",
	"agents/main/sessions/1.jsonl.lock",
	"agents/research/notes/poetry.lock",
	"browser/default/user-data/Default/Cookies",
	"browser/default/user-data/Default/Code Cache/js/x",
	"cache/x/y",
	"canvas/index.html",
	"credentials/whatsapp/default/creds.json",
	"cron/jobs.json",
	"devices/paired.json",
	"extensions/mine/index.js",
	"fleet/cells/one/openclaw.json",
	"fleet/cells/one/Gemfile.lock",
	"hooks/mine/HOOK.md",
	"identity/device.json",
	"logs/stability/a.json",
	"matrix/store.json",
	"media/inbound/photo.jpg",
	"memory/main.txt",
	"models/x.json",
	"openclaw.json.bak",
	"openclaw.json.lock",
	"sandboxes/agent-1/flake.lock",
	"secrets.json",
	"skills/mine/SKILL.md",
	"state/backups/x.bak",
	"state/openclaw.sqlite.pre-startup-migration-1.bak",
	"transcripts/x.txt",
	"unheard-of/deep/Cargo.lock",
	"wiki/page.md",
	"workspace/MEMORY.md",
	"workspace/yarn.lock",
	"workspaces/a/Cargo.lock",
	"worktrees/repo/task/yarn.lock",
	".env",
];

/** A plugin that cannot load without its dependency. */
const PLUGIN: Readonly<Record<string, string>> = {
	"package.json": JSON.stringify({
		name: "sidecar-oracle",
		version: "1.0.0",
		type: "module",
		openclaw: { extensions: ["./index.js"] },
	}),
	"openclaw.plugin.json": JSON.stringify({
		id: "sidecar-oracle",
		name: "Oracle",
		description: "x",
		activation: { onStartup: true },
		configSchema: { type: "object", additionalProperties: false, properties: {} },
	}),
	"index.js":
		'import { x } from "dep"; export default { id: "sidecar-oracle", name: "o", description: x, register() {} };',
	"node_modules/dep/package.json":
		'{"name":"dep","version":"1.0.0","type":"module","main":"index.js"}',
	"node_modules/dep/index.js": 'export const x = "x";',
};

describe.skipIf(openclaw.kind === "missing")("the state that OpenClaw names", () => {
	let dir: string;
	let state: string;

	beforeAll(() => {
		dir = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-state-")));
		state = join(dir, "home/.openclaw");
		buildSidecar();
	});
	afterAll(() => {
		killEverything();
		if (dir !== undefined) rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
	});

	function plant(root: string, path: string, content = `${path}\n`): void {
		mkdirSync(dirname(join(root, path)), { recursive: true });
		writeFileSync(join(root, path), content);
	}

	async function ask(argv: readonly string[], expected = 0): Promise<string> {
		const env = {
			...OPENCLAW_ENV,
			HOME: join(dir, "home"),
			PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
		};
		const { status, stdout, stderr } = await run(argv, env, 180_000, dir);
		if (status !== expected)
			throw new Error(
				`${argv.join(" ")} ended with ${status}:\n${stderr.slice(-2_000)}${stdout.toString().slice(-2_000)}`,
			);
		return stdout.toString();
	}
	const bin = () => (openclaw as Extract<typeof openclaw, { kind: "installed" }>).bin;
	const openClaw = async (...args: readonly string[]) =>
		await ask([process.execPath, bin(), ...args]);
	const sidecar = async (...args: readonly string[]) => {
		const own = [
			"--workspace",
			state,
			"--store",
			`file://${dir}/store`,
			"--state-dir",
			join(dir, "state"),
			"--handover-wait",
			"0ms",
		];
		return await ask([process.execPath, SIDECAR_LAUNCHER, ...args, ...own]);
	};

	// @id openclaw-state-stored
	test("is in the log after a flush except for named exceptions, and each place that its backup adds is reported", async () => {
		const outside = join(dir, "outside/workspace");
		plant(dir, "outside/workspace/MEMORY.md");
		plant(
			state,
			"openclaw.json",
			JSON.stringify({
				gateway: { mode: "local" },
				agents: { list: [{ id: "main" }, { id: "out", workspace: outside }] },
			}),
		);
		for (const path of PLANTED) plant(state, path);
		symlinkSync(outside, join(state, "linked"));

		const plan = JSON.parse(await openClaw("backup", "create", "--dry-run", "--json")) as {
			readonly assets: readonly { sourcePath: string }[];
		};
		const archive = join(dir, "backup.tar.gz");
		await openClaw("backup", "create", "--output", archive);
		await sidecar("flush");

		const listed = (await sidecar("ls", "--json")).split("\n").filter(Boolean);
		const stored = new Set(
			listed.map((line) => (JSON.parse(line) as { readonly path: string }).path),
		);
		const payload = `/payload/posix${state}/`;
		const backedUp = (await ask(["tar", "tzf", archive]))
			.split("\n")
			.filter((name) => name.includes(payload) && !name.endsWith("/"))
			.map((name) => name.slice(name.indexOf(payload) + payload.length));
		expect(backedUp.length).toBeGreaterThan(30);
		const isException = (path: string) =>
			EXCEPTIONS.some(([pattern]) => pattern.test(path) || pattern.test(`${path}/`));
		expect(backedUp.filter((path) => !stored.has(path) && !isException(path))).toEqual([]);

		const { notCovered } = JSON.parse(await sidecar("status", "--json")) as {
			readonly notCovered: readonly string[];
		};
		const roots = plan.assets.map(({ sourcePath }) => sourcePath).filter((path) => path !== state);
		expect(roots).toContain(outside);
		expect(roots.filter((path) => !notCovered.includes(path))).toEqual([]);
	});

	// @id openclaw-plugin-restored-offline
	test("of a local plugin includes its node_modules, without which OpenClaw cannot load it; after a restore it loads offline", async () => {
		for (const [path, content] of Object.entries(PLUGIN)) plant(join(dir, "plugin"), path, content);
		rmSync(state, { recursive: true });
		rmSync(join(dir, "store"), { recursive: true, force: true });
		plant(state, "openclaw.json", JSON.stringify({ gateway: { mode: "local" } }));
		await openClaw("plugins", "install", join(dir, "plugin"), "--force", "--accept-capabilities");
		await sidecar("flush");
		// The directory that it was installed from does not exist on another machine.
		rmSync(join(dir, "plugin"), { recursive: true });
		rmSync(state, { recursive: true });
		await sidecar("restore");

		const load = async () => await openClaw("plugins", "inspect", "sidecar-oracle", "--runtime");
		expect(await load()).not.toMatch(/failed during load/);
		rmSync(join(state, "extensions/sidecar-oracle/node_modules"), { recursive: true });
		expect(await load()).toMatch(/failed during load.*Cannot find package 'dep'/);
	});
});
