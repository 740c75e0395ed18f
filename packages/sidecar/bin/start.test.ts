/**
 * What a start loads before its first request: each module and each byte costs every restore. The
 * time itself is measured by `bench/measurements/start.ts`.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { CLI_BUNDLE } from "../../testkit/cli.ts";

/** Reports what is loaded when the first request is made, or at the end, and ends the process. */
const PRELOAD = `
	const files = [];
	process.getBuiltinModule("node:module").registerHooks({
		load: (url, context, next) => {
			if (url.startsWith("file:")) files.push(url);
			return next(url, context);
		},
	});
	const report = () => {
		const builtins = process.moduleLoadList.filter((name) => name.startsWith("NativeModule "));
		process.getBuiltinModule("node:fs").writeSync(2, JSON.stringify({ files, builtins }));
		process.reallyExit(0);
	};
	process.once("exit", report);
	process.getBuiltinModule("node:http").request = report;`;

async function loadedBy(args: readonly string[]) {
	const directory = await mkdtemp(join(tmpdir(), "start-"));
	try {
		await mkdir(join(directory, "workspace"));
		await writeFile(join(directory, "preload.cjs"), PRELOAD);
		const child = spawn(
			process.execPath,
			["--require", join(directory, "preload.cjs"), CLI_BUNDLE, ...args],
			{
				cwd: directory,
				env: {
					HOME: directory,
					AWS_ENDPOINT_URL: "http://127.0.0.1:9",
					AWS_ACCESS_KEY_ID: "a",
					AWS_SECRET_ACCESS_KEY: "b",
				},
				stdio: ["ignore", "ignore", "pipe"],
			},
		);
		const stderr = await text(child.stderr);
		const { files, builtins } = JSON.parse(stderr.slice(stderr.indexOf('{"files"'))) as {
			readonly files: readonly string[];
			readonly builtins: readonly string[];
		};
		return {
			files: files.map((url) => basename(url)).filter((name) => name !== "preload.cjs"),
			builtins: builtins.map((name) => name.slice("NativeModule ".length)),
		};
	} finally {
		await rm(directory, { recursive: true });
	}
}

const PROGRAM = ["openclaw-sidecar.js", "openclaw-sidecar-program.mjs"];
const S3 = ["--store", "s3://bucket", "--namespace", "n", "--state-dir", "state"];

/** Modules of Node, its internal ones included: as many as in Node 24.22, and a tenth more. */
test.each([
	{ verb: "restore", most: 195 },
	{ verb: "flush", most: 180 },
	{ verb: "run", most: 195 },
])(
	"$verb loads two files, no SDK and no native code before its first request",
	async ({ verb, most }) => {
		const { files, builtins } = await loadedBy([verb, "--workspace", "workspace", ...S3]);
		expect(files).toEqual(PROGRAM);
		expect(builtins).toContain("http");
		for (const heavy of ["http2", "https", "internal/deps/undici/undici", "tls"])
			expect(builtins).not.toContain(heavy);
		expect(builtins.length).toBeLessThanOrEqual(most);
	},
);

test("--version loads one file", async () => {
	const { files, builtins } = await loadedBy(["--version"]);
	expect(files).toEqual(["openclaw-sidecar.js"]);
	expect(builtins.length).toBeLessThanOrEqual(125);
});
