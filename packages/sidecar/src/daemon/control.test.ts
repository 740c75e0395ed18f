import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askDaemon, controlPath, takeControl } from "./control.ts";

let dir: string;
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "sidecar-control-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const handlers = {
	status: async () => ({ phase: "serving" }),
	flush: async () => ({ kind: "nothing" }),
	drop: async (what: unknown) => ({ what }),
	restore: async (what: unknown) => ({ what }),
};

describe("control", () => {
	it("answers, refuses a second daemon, and is free again when closed", async () => {
		expect(await askDaemon(dir, "/ws", "status")).toBeUndefined();
		const control = await takeControl(dir, "/ws", handlers);
		expect(await askDaemon(dir, "/ws", "status")).toEqual({
			phase: "serving",
			command: expect.stringMatching(/^[^/]+$/),
			startedMs: expect.any(Number),
		});
		expect(await askDaemon(dir, "/ws", "drop", { path: "ä".repeat(4_096) })).toEqual({
			what: { path: "ä".repeat(4_096) },
		});
		await expect(askDaemon(dir, "/ws", "drop", { path: "a".repeat(70_000) })).rejects.toMatchObject(
			{ code: "USAGE" },
		);
		expect(await askDaemon(dir, "/other", "status")).toBeUndefined();
		await expect(takeControl(dir, "/ws", handlers)).rejects.toMatchObject({
			code: "WORKSPACE_BUSY",
			value: "/ws",
		});
		expect(statSync(controlPath(dir, "/ws")).mode & 0o777).toBe(0o600);
		await control.close();
		const again = await takeControl(dir, "/ws", handlers);
		await again.close();
	});

	it("takes over the socket of a killed process", async () => {
		const path = controlPath(dir, "/ws");
		const killed = spawn(process.execPath, [
			"-e",
			`require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`,
		]);
		await once(killed.stdout, "data");
		killed.kill("SIGKILL");
		await once(killed, "exit");
		expect(statSync(path).isSocket()).toBe(true);
		const control = await takeControl(dir, "/ws", handlers);
		expect(await askDaemon(dir, "/ws", "flush")).toEqual({ kind: "nothing" });
		await control.close();
	});

	it("fails if a state directory's path is too long for a socket", () => {
		expect(() => controlPath(join(dir, "x".repeat(100)), "/ws")).toThrow(
			expect.objectContaining({ code: "STATE_DIR_UNUSABLE" }),
		);
	});
});
