import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Roots } from "../path.ts";
import { recordingLog } from "../telemetry/logger.ts";
import { uncoveredDirectories, uncoveredTeller } from "./agent-directories.ts";

let dir: string;
let main: string;
beforeEach(() => {
	dir = realpathSync(mkdtempSync(join(tmpdir(), "agents-")));
	main = join(dir, "ws");
	mkdirSync(join(main, "config"), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (config: unknown, name = "openclaw.json") =>
	writeFileSync(join(main, name), typeof config === "string" ? config : JSON.stringify(config));
const look = (env: NodeJS.ProcessEnv = {}, roots: Record<string, string> = {}) =>
	uncoveredDirectories(new Roots(main, new Map(Object.entries(roots))), env);

describe("directories of agents that nothing keeps", () => {
	it("are named with the flags to add, each name once", () => {
		write({
			agents: {
				defaults: { workspace: "/srv/My Notes" },
				entries: { a: { workspace: "/srv/a/code" }, b: { workspace: "/data/code", agentDir: "/data/code/agent" }, c: { workspace: "~/x" } },
			},
		});
		const paths = ["/srv/My Notes", "/srv/a/code", "/data/code", "/data/code/agent", join(homedir(), "x")];
		expect(look()).toEqual({
			paths,
			flags: ["--root my-notes=/srv/My Notes", "--root code=/srv/a/code", "--root code-2=/data/code", `--root x=${homedir()}/x`],
			unread: [],
		});
		expect(look({}, { code: "/data/code", x: "/srv" }).paths).toEqual([join(homedir(), "x")]);
	});

	it("are also those of files that the configuration includes, of variables, and relative ones", () => {
		write(`{ // JSON5\n "$include": ["./config/a.json", 'missing.json'], agents: { list: [{ workspace: '\${DATA}/notes' }] } }`);
		write({ $include: "b.json", list: [{ workspace: "/srv/included" }], workspace: "a team of a chat" }, "config/a.json");
		write({ entries: { x: { agentDir: "/srv/deep" } } }, "config/b.json");
		expect(look({ DATA: "/data", OPENCLAW_WORKSPACE_DIR: "/srv/by-variable" })).toMatchObject({
			paths: ["/srv/by-variable", "/data/notes", "/srv/included", "/srv/deep"],
			unread: [join(main, "missing.json")],
		});
		write({ agents: { defaults: { workspace: "beside" } } });
		expect(look().paths).toEqual([join(process.cwd(), "beside")]);
	});

	it("are none for what lies in the workspace or a root; a link out of it is named by where it leads", () => {
		mkdirSync(join(dir, "out"));
		symlinkSync(join(dir, "out"), join(main, "link"));
		write({ agents: { list: [{ workspace: join(main, "workspace") }, { workspace: join(main, "link") }] } });
		expect(look()).toEqual({ paths: [join(main, "link")], flags: [`--root out=${join(dir, "out")}`], unread: [] });
		expect(look({}, { out: join(dir, "out") }).paths).toEqual([]);
	});

	it("have no flag where they hold the workspace", () => {
		write({ agents: { defaults: { workspace: dir } } });
		expect(look()).toMatchObject({ paths: [dir], flags: [] });
	});

	it("are told once, and again when the configuration names others", () => {
		const log = recordingLog();
		const tell = uncoveredTeller(new Roots(main), { name: "openclaw" }, {}, log);
		let from = 0;
		const told = () => {
			const news = log.events.slice(from).map(({ event, fields }) => [event, fields?.paths, fields?.remedy]);
			from = log.events.length;
			return news;
		};
		tell();
		expect(told()).toEqual([]);
		write({ agents: { defaults: { workspace: "/srv/one" } } });
		tell();
		tell();
		expect(told()).toEqual([["workspace.not-covered", ["/srv/one"], expect.stringContaining("add --root one=/srv/one, or")]]);
		write({ agents: { defaults: { workspace: "/srv/one" }, list: [] } });
		tell();
		expect(told()).toEqual([]);
		write({ agents: { defaults: { workspace: "/srv/other" } } });
		tell();
		expect(told()).toEqual([["workspace.not-covered", ["/srv/other"], expect.any(String)]]);
	});
});
