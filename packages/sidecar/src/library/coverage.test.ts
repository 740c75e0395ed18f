import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { Roots } from "../path.ts";
import { openclaw } from "../workspace/profiles/openclaw.ts";
import { plain } from "../workspace/profiles/plain.ts";
import { coverageOf, remedyFor } from "./coverage.ts";

let dir: string;
let main: string;
beforeEach(() => {
	dir = realpathSync(mkdtempSync(join(tmpdir(), "coverage-")));
	main = join(dir, "ws");
	mkdirSync(join(main, "config"), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const put = (path: string, content: unknown = "x") => {
	mkdirSync(dirname(join(dir, path)), { recursive: true });
	writeFileSync(join(dir, path), typeof content === "string" ? content : JSON.stringify(content));
	return join(dir, path);
};
const config = (content: unknown) => put("ws/openclaw.json", content);
const link = (path: string, target: string) => {
	mkdirSync(dirname(join(main, path)), { recursive: true });
	symlinkSync(target, join(main, path));
};
const look = (
	env: NodeJS.ProcessEnv = {},
	roots: Record<string, string> = {},
	profile = openclaw,
) => coverageOf(new Roots(main, new Map(Object.entries(roots))), profile, env);
const paths = (...args: Parameters<typeof look>) => look(...args).gaps.map(({ path }) => path);

describe("settings", () => {
	it("name directories of agents with the flags to add, each name once, quoted for a shell", () => {
		config({
			agents: {
				defaults: { workspace: "/srv/My Notes" },
				entries: {
					a: { workspace: "/srv/a/code" },
					b: { workspace: "/data/code", agentDir: "/data/code/agent" },
					c: { workspace: "~/x" },
				},
			},
		});
		expect(paths()).toEqual([
			"/srv/My Notes",
			"/srv/a/code",
			"/data/code",
			"/data/code/agent",
			join(homedir(), "x"),
		]);
		expect(look().flags).toEqual([
			"--root 'my-notes=/srv/My Notes'",
			"--root code=/srv/a/code",
			"--root code-2=/data/code",
			`--root x=${homedir()}/x`,
		]);
		expect(paths({}, { code: "/data/code", x: "/srv" })).toEqual([join(homedir(), "x")]);
	});

	// @id every-state-key
	it("reveal every key that names state, also below plugins and channels, and what is left open for each agent", () => {
		config({
			worktrees: { worktreeRoot: "/out/trees" },
			session: { store: "/out/sessions/{agentId}/sessions.json" },
			channels: { whatsapp: { accounts: { a: { authDir: "/out/wa" } } } },
			plugins: { entries: { wiki: { config: { vault: { path: "/out/vault" } } } } },
			skills: { load: { extraDirs: ["/out/skills-a", "~/skills-b"] } },
			agents: { defaults: { workspaceTemplate: "/out/template" } },
			gateway: { controlUi: { basePath: "/openclaw" } },
			browser: { executablePath: "/usr/bin/chromium" },
		});
		expect(paths({ HOME: "/home/u" }).sort()).toEqual(
			[
				"/home/u/skills-b",
				"/out/sessions",
				"/out/skills-a",
				"/out/template",
				"/out/trees",
				"/out/vault",
				"/out/wa",
			].sort(),
		);
	});

	// @id any-key-with-a-path
	it("reveal an existing path under any other key", () => {
		const there = put("elsewhere/certificate.pem");
		config({
			something: { nobody: { heardOf: dirname(there), file: there, absent: "/no/such/place" } },
		});
		expect(paths()).toEqual([dirname(there), there]);
		expect(look().flags).toEqual([`--root elsewhere=${dirname(there)}`]);
	});

	it("may use JSON5, included files, variables and a relative path", () => {
		config(
			`{ // JSON5\n "$include": ["./config/a.json", 'missing.json'], agents: { list: [{ workspace: '\${DATA}/notes' }] } }`,
		);
		put("ws/config/a.json", {
			$include: "b.json",
			list: [{ workspace: "/srv/included" }],
			workspace: "a team of a chat",
		});
		put("ws/config/b.json", { entries: { x: { agentDir: "/srv/deep" } } });
		put("ws/.env", "A=1\nexport OPENCLAW_OAUTH_DIR='/srv/oauth'\n");
		const found = look({
			DATA: "/data",
			OPENCLAW_WORKSPACE_DIR: "/srv/by-variable",
			OPENCLAW_SIDECAR_STATE_DIR: dir,
		});
		expect(found.gaps.map(({ path }) => path)).toEqual([
			"/srv/by-variable",
			"/srv/oauth",
			"/data/notes",
			"/srv/included",
			"/srv/deep",
		]);
		expect(found.unread).toEqual([join(main, "missing.json")]);
		config({ agents: { defaults: { workspace: "beside" } } });
		expect(look().gaps[1]).toEqual({
			path: join(process.cwd(), "beside"),
			by: "agents.defaults.workspace in openclaw.json",
			kind: "outside",
		});
	});

	it("reveal their places even if the configuration cannot be parsed", () => {
		config(`{ agents: { list: [{ workspace: "/srv/a" }, { agentDir: '/srv/b' } }`);
		expect(paths()).toEqual(["/srv/a", "/srv/b"]);
	});

	it("name a file that is included from outside", () => {
		const outside = put("dotfiles/agents.json", { list: [{ workspace: "/srv/included" }] });
		config({ $include: outside });
		expect(look()).toMatchObject({
			gaps: [{ path: outside }, { path: "/srv/included" }],
			flags: [`--root dotfiles=${dirname(outside)}`, expect.any(String)],
		});
	});

	it("name a place that the profile or the ignore file leaves out, with the line that includes it again", () => {
		mkdirSync(join(main, "tmp/agent"), { recursive: true });
		put("ws/.openclaw-sidecar-ignore", "/private/\n");
		config({
			agents: {
				list: [
					{ workspace: join(main, "tmp/agent") },
					{ workspace: join(main, "private/b") },
					{ workspace: join(main, "kept") },
				],
			},
		});
		expect(look()).toMatchObject({
			gaps: [{ kind: "left-out" }, { kind: "left-out" }],
			flags: [],
			ignoreLines: ["!/tmp/", "/tmp/*", "!/tmp/agent/", "!/private/", "/private/*", "!/private/b/"],
		});
		put("ws/.openclaw-sidecar-ignore", `/private/\n${look().ignoreLines.join("\n")}\n`);
		expect(paths()).toEqual([]);
	});

	it("give no flag for a directory that contains the workspace", () => {
		config({ agents: { defaults: { workspace: dir } } });
		expect(look()).toMatchObject({ gaps: [{ path: dir }], flags: [] });
		expect(remedyFor(look())).toMatch(/^move them into the workspace/);
	});

	it("reveal nothing under the plain profile", () => {
		config({ agents: { defaults: { workspace: "/srv/x" } } });
		expect(paths({ OPENCLAW_WORKSPACE_DIR: "/srv/y" }, {}, plain)).toEqual([]);
	});
});

describe("links", () => {
	// @id outward-links-named
	it("reveal their targets: a directory, a file, a relative one, a chain, and a missing place", () => {
		put("data/workspace/MEMORY.md");
		put("dotfiles/openclaw.json", "{}");
		put("beside/x");
		link("workspace", join(dir, "data/workspace"));
		link("openclaw.json", "../dotfiles/openclaw.json");
		link("a/b/c/relative", "../../../../beside");
		link("a/chain", "b/c/relative");
		link("gone", join(dir, "gone/deep"));
		const found = look();
		expect(found.gaps.map(({ path, by }) => [path, by])).toEqual([
			[join(dir, "dotfiles/openclaw.json"), "the link openclaw.json"],
			[join(dir, "data/workspace"), "the link workspace"],
			[join(dir, "gone/deep"), "the link gone"],
			[join(dir, "beside"), "the link a/chain"],
		]);
		const flag = (name: string, path: string) => `--root ${name}=${join(dir, path)}`;
		const flags = [
			flag("dotfiles", "dotfiles"),
			flag("workspace", "data/workspace"),
			flag("deep", "gone/deep"),
			flag("beside", "beside"),
		];
		expect(found.flags).toEqual(flags);
		expect(paths({}, {}, plain)).toHaveLength(4);
		expect(
			paths(
				{},
				{ data: join(dir, "data"), beside: join(dir, "beside"), dotfiles: join(dir, "dotfiles") },
			),
		).toEqual([join(dir, "gone/deep")]);
	});

	it("within the workspace reveal nothing, or the excluded path that they lead to", () => {
		put("ws/notes/a.md");
		put("ws/tmp/work/a.md");
		link("absolute", join(main, "notes"));
		link("nowhere", "not-there");
		link("lock", "host:4711");
		expect(paths()).toEqual([]);
		link("work", "tmp/work");
		expect(look().gaps).toEqual([
			{
				path: join(main, "tmp/work"),
				by: "the link work",
				kind: "left-out",
				takeIn: ["!/tmp/", "/tmp/*", "!/tmp/work/"],
			},
		]);
	});

	it("reveal nothing for a loop or an overlong target, but do for a target that cannot exist", () => {
		link("loop", "loop");
		link("long", "x".repeat(300));
		link("far", `/${"x".repeat(300)}`);
		expect(look().gaps).toMatchObject([{ by: "the link far" }]);
		config({ a: "/nul\0/x", agents: { list: [{ workspace: "/nul\0/y" }] } });
		expect(look().gaps).toHaveLength(2);
	});

	it("to programs and within packages are counted, and none of them is named", () => {
		put("elsewhere/package/index.js");
		link("venv/bin/python3", "/usr/bin/python3");
		link("venv/lib64", "/usr/lib64");
		link("project/node_modules/package", join(dir, "elsewhere/package"));
		link("result", "/nix/store/0a-hello");
		expect(look({}, {}, plain)).toMatchObject({ gaps: [], installedLinks: 4 });
	});

	it("of an additional root are followed", () => {
		put("root/x");
		put("beyond/x");
		symlinkSync("../beyond", join(dir, "root/out"));
		expect(look({}, { root: join(dir, "root") }).gaps).toEqual([
			{ path: join(dir, "beyond"), by: "the link .roots/root/out", kind: "outside" },
		]);
	});
});

describe("an excluded path", () => {
	it("is counted by the source of its exclusion", () => {
		put("ws/.openclaw-sidecar-ignore", "/private/\n*.bin\n");
		put("ws/private/deep/a", "12345");
		put("ws/private/b", "1");
		put("ws/notes/x.bin", "123");
		put("ws/cache/x", "12");
		put("ws/kept", "1");
		put("ws/.openclaw-sidecar/staging/x");
		expect(look().leftOut).toEqual({
			byProfile: { paths: ["cache"], count: 1, files: 1, bytes: 2 },
			byIgnoreFile: {
				paths: expect.arrayContaining(["private", "notes/x.bin"]),
				count: 2,
				files: 3,
				bytes: 9,
			},
			isComplete: true,
		});
	});

	it("is not counted if the file system keeps it for itself at the top of a mount", (context) => {
		using made = mounted(context);
		made.tmpfs(join(main, "volume"));
		mkdirSync(join(main, "volume/lost+found"), { mode: 0o700 });
		put("ws/volume/lost+found/x");
		expect(look({}, {}, plain).leftOut).toMatchObject({
			byProfile: { count: 0 },
			byIgnoreFile: { count: 0 },
			isComplete: true,
		});
	});

	it("is counted incompletely, and reported so, if counting takes too long", () => {
		put("ws/cache/deep/x");
		const { leftOut } = coverageOf(new Roots(main), openclaw, {}, -1);
		expect(leftOut).toMatchObject({ byProfile: { count: 1, files: 0 }, isComplete: false });
	});
});
