import { spawnSync } from "node:child_process";
import {
	linkSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { startAgent } from "./agent.ts";
import { agentEnvironment } from "./agent-environment.ts";
import { chownWorkspace } from "./chown-workspace.ts";

const AGENT = { uid: 65_534, gid: 65_534 };
const CANARY = "canary-7f3a";

let dir: string;
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "sidecar-isolation-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/**
 * A sidecar with secrets in its environment, its memory, its descriptors and its files, and an
 * agent that tries to read all of them.
 */
const SIDECAR = `
	import { openSync, readFileSync } from "node:fs";
	import { startAgent } from ${JSON.stringify(new URL("./agent.ts", import.meta.url).href)};
	import { agentEnvironment } from ${JSON.stringify(new URL("./agent-environment.ts", import.meta.url).href)};
	const [, state, out, user] = process.argv;
	const secret = openSync(state + "/key", "r");
	const attack = \`
		{
			echo "own environment:"; cat /proc/self/environ | tr '\\\\0' '\\\\n'
			echo "parent's environment:"; cat /proc/$PPID/environ
			echo "parent's memory:"; head -c 1 /proc/$PPID/mem
			echo "parent's descriptors:"; cat /proc/$PPID/fd/\${secret}
			echo "own descriptors:"; for fd in /proc/self/fd/*; do readlink $fd; done; cat /proc/self/fd/\${secret}
			echo "private files:"; cat \${state}/key; ls \${state}
		} > \${out} 2>&1
	\`;
	const { env } = agentEnvironment(process.env, ["*"]);
	const agent = await startAgent({ command: ["sh", "-c", attack], env, toStderr: true, user: JSON.parse(user) });
	await agent.exited;
`;

describe.skipIf(process.getuid?.() !== 0)("an agent of another user", () => {
	test("gets none of the sidecar's secrets: neither from its environment, its memory, its descriptors nor its files", () => {
		const state = join(dir, "state");
		mkdirSync(state, { mode: 0o700 });
		writeFileSync(join(state, "key"), CANARY, { mode: 0o600 });
		const out = join(dir, "out");
		writeFileSync(out, "");
		const env = {
			PATH: process.env.PATH,
			AWS_SECRET_ACCESS_KEY: CANARY,
			AWS_CONTAINER_AUTHORIZATION_TOKEN: CANARY,
			OPENCLAW_SIDECAR_STORE: `s3://${CANARY}`,
			HARMLESS: "kept",
		};
		const run = (user: object) => {
			const args = [
				"--input-type=module",
				"--eval",
				SIDECAR,
				"--",
				state,
				out,
				JSON.stringify(user),
			];
			const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
			expect([status, stderr]).toEqual([0, ""]);
			return readFileSync(out, "utf8");
		};
		chownWorkspace([dir], { uid: 0, gid: 0 });
		// The file it writes to is its own; the directory above must be searchable for it.
		spawnSync("chmod", ["755", dir]);
		spawnSync("chown", [`${AGENT.uid}`, out]);
		const seen = run(AGENT);
		expect(seen).toContain("HARMLESS=kept");
		expect(seen).not.toContain(CANARY);
		expect(seen.match(/Permission denied/g)?.length).toBe(5);
		// Why the other user's number matters: an agent of our own user reaches it.
		expect(run({ uid: 0, gid: 0 })).toContain(CANARY);
	});

	// @id agent-user-owns-workspace
	test("owns the workspace that was restored for it, and nothing that only looks like part of it", () => {
		const workspace = join(dir, "ws");
		mkdirSync(join(workspace, "memory"), { recursive: true });
		writeFileSync(join(workspace, "memory", "a.md"), "x", { mode: 0o600 });
		const odd = Buffer.concat([Buffer.from(`${workspace}/`), Buffer.from([0xff])]);
		writeFileSync(odd, "x");
		const outside = join(dir, "outside");
		writeFileSync(outside, "x");
		symlinkSync(outside, join(workspace, "link"));
		linkSync(outside, join(workspace, "second-name"));
		expect(chownWorkspace([workspace], AGENT)).toEqual({ entries: 5, refused: 0 });
		for (const path of ["", "memory", "memory/a.md", "link"])
			expect(lstatSync(join(workspace, path))).toMatchObject(AGENT);
		expect(lstatSync(odd)).toMatchObject(AGENT);
		expect(lstatSync(outside)).toMatchObject({ uid: 0, gid: 0 });
		expect(chownWorkspace([workspace], AGENT)).toEqual({ entries: 0, refused: 0 });
	});

	// @id owner-refused
	test("starts even if the file system refuses another owner, and counts the refusals", (context) => {
		using made = mounted(context);
		const workspace = join(dir, "ws");
		mkdirSync(workspace);
		writeFileSync(join(workspace, "a.md"), "x");
		made.bind(workspace, workspace, "ro");
		expect(chownWorkspace([workspace], AGENT)).toEqual({ entries: 0, refused: 2 });
	});
});

test("an agent inherits no descriptors except stdin, stdout and stderr", async () => {
	const out = join(dir, "out");
	openSync(import.meta.filename, "r");
	const command = ["sh", "-c", `ls -l /proc/self/fd > ${out}`];
	const agent = await startAgent({
		command,
		env: agentEnvironment({ PATH: process.env.PATH }).env,
		toStderr: true,
		logger: silentLogger,
	});
	await agent.exited;
	expect(readFileSync(out, "utf8")).not.toContain("isolation.test");
});
