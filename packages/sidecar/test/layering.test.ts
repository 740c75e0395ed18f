import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = new URL("../../../", import.meta.url).pathname;
const BIOME = join(ROOT, "node_modules/.bin/biome");

const SESSION = [
	"log",
	"store",
	"workspace",
	"disk",
	"commit",
	"capture",
	"history",
	"restore",
	"maintenance",
	"transfer",
];
const LIBRARY = [
	...SESSION,
	"session",
	"agentcore",
	"openclaw",
	"model",
	"daemon",
	"telemetry",
	"config",
];

/** Which rooms a room may import from; every other pair must be rejected. */
const EDGES: Readonly<Record<string, readonly string[]>> = {
	log: [],
	store: [],
	workspace: [],
	disk: ["log", "workspace"],
	commit: ["log", "store", "workspace"],
	capture: ["log", "store", "workspace", "disk", "commit"],
	history: ["log", "store", "commit"],
	restore: ["log", "store", "workspace", "disk", "commit", "history"],
	maintenance: ["log", "store", "commit", "history"],
	transfer: ["log", "store", "workspace", "disk", "commit", "capture", "history"],
	session: SESSION,
	agentcore: ["telemetry"],
	openclaw: ["agentcore", "telemetry"],
	model: ["agentcore", "telemetry"],
	daemon: ["disk", "commit", "capture", "history", "restore", "session", "telemetry"],
	telemetry: [],
	config: [],
	library: LIBRARY,
	ui: ["log", "store", "workspace", "commit", "history", "library", "telemetry"],
	cli: [...LIBRARY, "library", "ui"],
};
const ROOMS = Object.keys(EDGES);

/** The text of each file. Each has one import or one use, so a finding is the verdict on it. */
const fixtures = new Map<string, string>();
let rejected: Set<string>;
let directory: string;

function fixtureAt(path: string, text: string): string {
	fixtures.set(path, text);
	return path;
}

const fixture = (room: string, name: string, text: string) =>
	fixtureAt(join("packages/sidecar/src", room, `${name}.ts`), text);

const importing = (specifier: string) => `import * as it from "${specifier}";\nexport { it };\n`;

const pairs = ROOMS.flatMap((from) =>
	ROOMS.filter((to) => to !== from).map((to) => ({
		from,
		to,
		allowed: EDGES[from]?.includes(to) ?? false,
		path: fixture(from, `imports-${to}`, importing(`../${to}/index.ts`)),
	})),
);

const single = (allowed: boolean, what: string, path: string) => ({ allowed, what, path });
const cases = [
	...ROOMS.map((room) =>
		single(
			true,
			`${room} imports errors`,
			fixture(room, "imports-errors", importing("../errors.ts")),
		),
	),
	...ROOMS.map((room) =>
		single(
			true,
			`${room} imports its neighbour`,
			fixture(room, "imports-self", importing("./neighbour.ts")),
		),
	),
	single(false, "index imports cli", fixture("", "index", importing("./cli/main.ts"))),
	single(
		true,
		"index-like imports session",
		fixture("", "library", importing("./session/index.ts")),
	),
	single(false, "errors imports a room", fixture("", "errors", importing("./log/types.ts"))),
	...["capture", "restore", "maintenance", "transfer", "session"].map((room) =>
		single(
			true,
			`${room} imports the telemetry types`,
			fixture(room, "telemetry-types", importing("../telemetry/types.ts")),
		),
	),
	single(
		true,
		"agentcore imports the lifecycle",
		fixture("agentcore", "lifecycle", importing("../daemon/lifecycle.ts")),
	),
	single(
		false,
		"agentcore imports the daemon",
		fixture("agentcore", "the-daemon", importing("../daemon/daemon.ts")),
	),
	single(
		false,
		"restore imports what writes",
		fixture("restore", "writes", importing("../capture/flush.ts")),
	),
	single(
		false,
		"dynamic import across rooms",
		fixture("store", "dynamic", 'export const it = await import("../log/types.ts");\n'),
	),
	single(
		false,
		"re-export across rooms",
		fixture("store", "re-export", 'export * from "../log/types.ts";\n'),
	),
	single(
		false,
		"type import across rooms",
		fixture("workspace", "type-only", 'export type { Tree } from "../log/types.ts";\n'),
	),
	single(
		true,
		"a test imports across rooms",
		fixture("log", "cross.test", importing("../store/port.ts")),
	),
	single(
		true,
		"a folder of workspace imports its room",
		fixture("workspace/profiles", "up", importing("../stat.ts")),
	),
	single(
		true,
		"a folder of workspace imports errors",
		fixture("workspace/profiles", "errors", importing("../../errors.ts")),
	),
	...ROOMS.map((room) =>
		single(
			false,
			`${room} imports the testkit`,
			fixture(room, "testkit", importing("../../../testkit/dice.ts")),
		),
	),
	single(
		false,
		"a folder of library imports the testkit",
		fixture("library/doctor", "testkit", importing("../../../../testkit/dice.ts")),
	),
	single(
		false,
		"a file beside the rooms imports the testkit",
		fixture("", "beside", importing("../../testkit/dice.ts")),
	),
	single(
		false,
		"path imports the testkit",
		fixture("", "path", importing("../../testkit/dice.ts")),
	),
	single(
		true,
		"a test imports the testkit",
		fixture("library", "kit.test", importing("../../../testkit/dice.ts")),
	),
	...["bin", "doctor", "lambda", "lib", "pages", "tools"].map((folder) => {
		const path = fixtureAt(
			`packages/infra/${folder}/testkit.ts`,
			importing("../../testkit/dice.ts"),
		);
		return single(false, `${folder} of infra imports the testkit`, path);
	}),
	single(
		true,
		"a test of infra imports the testkit",
		fixtureAt("packages/infra/lambda/kit.test.ts", importing("../../testkit/dice.ts")),
	),
	...[
		"packages/image/bake",
		"packages/image/test",
		"packages/testkit",
		"falco/test/driver",
		"bench",
	].map((folder) => {
		const path = fixtureAt(
			`${folder}/demo.ts`,
			importing(`${relative(folder, "demo")}/machine.ts`),
		);
		return single(false, `${folder} imports the demo`, path);
	}),
	single(
		true,
		"the demo imports the testkit",
		fixtureAt("demo/kit.ts", importing("../packages/testkit/dice.ts")),
	),
	single(
		true,
		"the image's build imports the testkit",
		fixtureAt("packages/image/bake/kit.ts", importing("../../testkit/dice.ts")),
	),
	single(
		false,
		"a folder of workspace imports a room",
		fixture("workspace/profiles", "across", importing("../../log/types.ts")),
	),
	single(
		true,
		"log hashes",
		fixture("log", "hash", 'import { createHash } from "node:crypto";\nexport { createHash };\n'),
	),
	single(true, "log compresses", fixture("log", "zlib", importing("node:zlib"))),
	single(
		false,
		"log draws random bytes",
		fixture(
			"log",
			"random",
			'import { randomBytes } from "node:crypto";\nexport { randomBytes };\n',
		),
	),
	single(false, "log reads files", fixture("log", "fs", importing("node:fs"))),
	single(false, "log opens sockets", fixture("log", "net", importing("node:net"))),
	single(false, "log uses a package", fixture("log", "package", importing("zod"))),
	single(false, "log reads the clock", fixture("log", "date", "export const now = Date.now();\n")),
	single(
		false,
		"log reads the clock by global object",
		fixture("log", "global", "export const now = globalThis.Date.now();\n"),
	),
	single(
		false,
		"log waits",
		fixture("log", "timer", "export const wait = () => setTimeout(() => {}, 1);\n"),
	),
	single(
		false,
		"log reads the environment",
		fixture("log", "process", "export const home = process.env;\n"),
	),
	single(
		false,
		"log draws a random number",
		fixture("log", "math-random", "export const dice = Math.random();\n"),
	),
	single(false, "config reads files", fixture("config", "fs", importing("node:fs"))),
	single(
		false,
		"config reads the environment",
		fixture("config", "process", "export const home = process.env;\n"),
	),
	single(
		false,
		"a promise is dropped",
		fixture(
			"session",
			"floating",
			"const later = async () => {};\nexport const go = () => {\n\tlater();\n};\n",
		),
	),
];

beforeAll(async () => {
	directory = await mkdtemp(join(tmpdir(), "layering-"));
	await copyFile(join(ROOT, "biome.json"), join(directory, "biome.json"));
	for (const [path, text] of fixtures) {
		await mkdir(join(directory, dirname(path)), { recursive: true });
		await writeFile(join(directory, path), text);
	}
	rejected = await findings(directory);
});

afterAll(() => rm(directory, { recursive: true }));

/** The paths with at least one linter error. */
async function findings(cwd: string): Promise<Set<string>> {
	const stdout = await new Promise<string>((resolve) => {
		const args = ["lint", "--reporter=json", "--max-diagnostics=none", "--diagnostic-level=error"];
		execFile(BIOME, args, { cwd, maxBuffer: 2 ** 26 }, (_error, text) => resolve(text));
	});
	const report = JSON.parse(stdout) as {
		diagnostics: { severity: string; location: { path: string } }[];
	};
	return new Set(
		report.diagnostics.filter((one) => one.severity === "error").map((one) => one.location.path),
	);
}

describe("layering", () => {
	test.each(pairs)("$from imports $to: allowed=$allowed", ({ path, allowed }) => {
		expect(rejected.has(path)).toBe(!allowed);
	});

	test.each(cases)("$what: allowed=$allowed", ({ path, allowed }) => {
		expect(rejected.has(path)).toBe(!allowed);
	});
});
