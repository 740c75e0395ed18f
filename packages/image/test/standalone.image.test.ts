/** Tests the image without a cloud: one directory as the workspace, another as the store. */
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
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Container, type ContainerOptions } from "./container.ts";

let root: string;
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "openclaw-image-"));
	for (const name of ["ws", "store", "other"]) mkdirSync(join(root, name));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (...parts: readonly string[]) => join(root, ...parts);

function options(workspace: string, ...command: readonly string[]): ContainerOptions {
	return {
		volumes: { "/home/openclaw/.openclaw": at(workspace), "/store": at("store") },
		env: { OPENCLAW_SIDECAR_STORE: "file:///store" },
		args: ["--", ...command],
	};
}

test("stores a directory of this machine in another, and restores it", async () => {
	writeFileSync(at("ws/MEMORY.md"), "was there\n");
	{
		await using first = new Container(
			"first",
			options("ws", "sh", "-c", "id -u > ~openclaw/.openclaw/who; sync"),
		);
		expect([await first.process.exited, first.process.tail]).toMatchObject([
			{ code: 0 },
			expect.stringContaining("everything is durable"),
		]);
		// For example, that koffi is missing and times are rounded.
		expect(first.process.tail).not.toContain('"level":"warn"');
	}
	expect(readFileSync(at("ws/who"), "utf8")).toBe("10001\n");
	expect(readdirSync(at("store/users"))).toEqual(["default"]);
	{
		await using second = new Container(
			"second",
			options("other", "sh", "-c", "cat ~openclaw/.openclaw/MEMORY.md >> ~openclaw/.openclaw/copy"),
		);
		expect([await second.process.exited, second.process.tail]).toMatchObject([
			{ code: 0 },
			expect.stringContaining("everything is durable"),
		]);
	}
	expect(readFileSync(at("other/copy"), "utf8")).toBe("was there\n");
	expect(readFileSync(at("other/who"), "utf8")).toBe("10001\n");
});

test("exits with the agent's status", async () => {
	await using container = new Container("seven", options("ws", "sh", "-c", "exit 7"));
	expect(await container.process.exited).toEqual({ code: 7, signal: null });
});

test("fails if the place for the log is missing, instead of losing data", async () => {
	await using container = new Container("no store", { args: ["--", "true"] });
	expect([await container.process.exited, container.process.tail]).toMatchObject([
		{ code: 2 },
		expect.stringContaining("OPENCLAW_SIDECAR_STORE"),
	]);
});

test("fails without the rights to run the agent as another user", async () => {
	await using container = new Container("not root", {
		...options("ws", "true"),
		options: ["--user", "10001:10001"],
	});
	expect([await container.process.exited, container.process.tail]).toMatchObject([
		{ code: 2 },
		expect.stringContaining("as root"),
	]);
});

test("runs with a read-only root file system", async () => {
	const readOnly = [
		"--read-only",
		"--tmpfs",
		"/tmp",
		"--tmpfs",
		"/var/lib/openclaw-sidecar:mode=700",
	];
	await using container = new Container("read-only", {
		...options("ws", "sh", "-c", "echo x > ~openclaw/.openclaw/x"),
		options: readOnly,
	});
	expect([await container.process.exited, container.process.tail]).toMatchObject([
		{ code: 0 },
		expect.stringContaining("everything is durable"),
	]);
});

test("as PID 1 adopts the agent's orphans, and reaps them when they end", async () => {
	const script =
		'cd ~openclaw/.openclaw; (sleep 5 & echo $! > orphan); trap "exit 0" TERM; while :; do sleep 0.05; done';
	await using container = new Container("init", options("ws", "sh", "-c", script));
	const orphan = () =>
		existsSync(at("ws/orphan")) ? readFileSync(at("ws/orphan"), "utf8").trim() : "";
	await expect.poll(orphan).not.toBe("");
	const state = () =>
		container.exec("sh", "-c", `grep -E '^(State|PPid)' /proc/${orphan()}/status || echo gone`);
	expect(state()).toMatch(/^State:\s+S[\s\S]*^PPid:\s+1$/m);
	await expect.poll(state, { interval: 500 }).toBe("gone");
	expect(container.exec("openclaw-sidecar", "status")).toContain("default");
	expect(await container.end()).toEqual({ code: 0, signal: null });
});
