import {
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findAgents, findStores, init, largestDirectories } from "./init.ts";

let place: string;
beforeEach(() => {
	place = mkdtempSync(join(tmpdir(), "sidecar-init-"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

// @id init-checks-first
test("nothing is written if a value is wrong, alone or with the others", async () => {
	const configFile = join(place, "config/c.json");
	const workspace = join(place, "ws");
	for (const values of [
		{ workspace, quietPeriod: "soon" },
		{ workspace, store: `file://${workspace}/store` },
		{ workspace, nothingLikeThis: 1 },
	])
		await expect(init({ configFile, values, exclude: ["/x/"] })).rejects.toMatchObject({
			code: "USAGE",
		});
	expect(existsSync(join(place, "config"))).toBe(false);
	expect(existsSync(workspace)).toBe(false);
});

test("a place that cannot be made is an error that names it, and no endless attempt", async () => {
	const workspace = join(place, "ws");
	for (const [configFile, store] of [
		["/proc/none/c.json", `file://${place}/store`],
		[join(place, "c.json"), "file:///proc/none/store"],
	] as const)
		await expect(init({ configFile, values: { workspace, store } })).rejects.toMatchObject({
			code: "SYSTEM_REFUSED",
			message: expect.stringContaining("/proc/none"),
		});
	expect(existsSync(join(place, "c.json"))).toBe(false);
});

test("a config file that is a link stays a link, and lines that the ignore file has are not repeated", async () => {
	const workspace = join(place, "ws");
	mkdirSync(workspace);
	writeFileSync(join(workspace, ".openclaw-sidecar-ignore"), "/a/");
	writeFileSync(join(place, "real.json"), "{}");
	const configFile = join(place, "link.json");
	symlinkSync("real.json", configFile);
	const values = { workspace, profile: "plain", store: `file://${place}/store` };
	const first = await init({ configFile, values, exclude: ["/a/", "*.b", "*.b"] });
	expect(first).toMatchObject({
		written: ["workspace", "profile", "store"],
		excluded: ["*.b"],
		diagnosis: { isHealthy: true },
	});
	const again = await init({ configFile, values, exclude: ["/a/", "*.b"] });
	expect(again).toMatchObject({ written: [], excluded: [] });
	expect(lstatSync(configFile).isSymbolicLink()).toBe(true);
	expect(JSON.parse(readFileSync(join(place, "real.json"), "utf8"))).toEqual(values);
	expect(readFileSync(join(workspace, ".openclaw-sidecar-ignore"), "utf8")).toBe("/a/\n*.b\n");
});

// @id init-link-swap
test("a link that leads outside once it was checked is an error, and its target stays as it was", async () => {
	const workspace = join(place, "ws");
	const [ignoreFile, mine] = [join(workspace, ".openclaw-sidecar-ignore"), join(place, "mine")];
	mkdirSync(join(workspace, "dotfiles"), { recursive: true });
	writeFileSync(join(workspace, "dotfiles/ignore"), "/a/\n", { mode: 0o600 });
	symlinkSync("dotfiles/ignore", ignoreFile);
	mkdirSync(mine);
	writeFileSync(join(mine, "ignore"), "mine\n");
	const values = { workspace, profile: "plain", store: `file://${place}/store` };
	const run = (line: string, swap: () => void) => {
		const exclude = [line];
		// The lines are added after the ignore file was checked and read.
		exclude[Symbol.iterator] = () => {
			swap();
			return [line].values();
		};
		return init({ configFile: join(place, "c.json"), values, exclude });
	};
	expect(await run("/b/", () => {})).toMatchObject({ excluded: ["/b/"] });
	expect(lstatSync(ignoreFile).isSymbolicLink()).toBe(true);
	expect(lstatSync(join(workspace, "dotfiles/ignore")).mode & 0o777).toBe(0o600);
	for (const swap of [
		() => {
			rmSync(ignoreFile);
			symlinkSync(join(mine, "ignore"), ignoreFile);
		},
		() => {
			rmSync(ignoreFile);
			symlinkSync("dotfiles/ignore", ignoreFile);
			rmSync(join(workspace, "dotfiles"), { recursive: true });
			symlinkSync(mine, join(workspace, "dotfiles"));
		},
	]) {
		await expect(run("/c/", swap)).rejects.toMatchObject({ code: "IGNORE_FILE_UNUSABLE" });
		rmSync(ignoreFile);
		writeFileSync(ignoreFile, "");
	}
	expect(readdirSync(mine)).toEqual(["ignore"]);
	expect(readFileSync(join(mine, "ignore"), "utf8")).toBe("mine\n");
});

// @id init-one-line
test("no line of the ignore file contains another: such names are not offered, such patterns refused", async () => {
	for (const name of [Buffer.from("cache\nMEMORY.md\nx"), Buffer.from([0x61, 0xff])]) {
		const directory = Buffer.concat([Buffer.from(`${place}/ws/`), name]);
		mkdirSync(directory, { recursive: true });
		writeFileSync(Buffer.concat([directory, Buffer.from("/big")]), Buffer.alloc(2_000_000));
	}
	const workspace = join(place, "ws");
	expect(largestDirectories({ workspace, profile: "plain" })).toEqual([]);
	const values = { workspace, store: `file://${place}/store` };
	for (const line of ["/a\nMEMORY.md", "a\r", "a\ufffd", "a\udcff"])
		await expect(
			init({ configFile: join(place, "c.json"), values, exclude: ["/x/", line] }),
		).rejects.toMatchObject({ code: "USAGE" });
	expect(existsSync(join(place, "c.json"))).toBe(false);
});

test("directories are counted by the line that leaves them out, and only what is stored counts", () => {
	const write = (path: string, bytes: number) => {
		mkdirSync(join(place, path, ".."), { recursive: true });
		writeFileSync(join(place, path), Buffer.alloc(bytes));
	};
	write("notes [1]/big", 2_000_000);
	write("notes [1]/node_modules/a/node_modules/b", 3_000_000);
	write("small/x", 10);
	write("code/node_modules/a", 1_000_000);
	write("code/.cache/b", 5);
	write("logs/big", 9_000_000);
	symlinkSync("notes [1]", join(place, "link"));
	expect(largestDirectories({ workspace: place, profile: "openclaw" })).toEqual([
		{ pattern: "node_modules/", files: 2, bytes: 4_000_000, isCache: false, isComplete: true },
		{ pattern: "/notes \\[1\\]/", files: 1, bytes: 2_000_000, isCache: false, isComplete: true },
		{ pattern: ".cache/", files: 1, bytes: 5, isCache: true, isComplete: true },
	]);
	expect(largestDirectories({ workspace: join(place, "none"), profile: "plain" })).toEqual([]);
});

test("agents and credentials are found where their programs keep them", () => {
	expect(findAgents({}, place)).toEqual([]);
	expect(findStores({ AWS_PROFILE: "" }, place)).toEqual([]);
	mkdirSync(join(place, ".openclaw"));
	writeFileSync(join(place, ".openclaw/openclaw.json"), "{}");
	mkdirSync(join(place, ".aws"));
	writeFileSync(join(place, ".aws/credentials"), "");
	const workspace = join(place, ".openclaw");
	expect(findAgents({ OPENCLAW_STATE_DIR: workspace }, place)).toEqual([
		{ profile: "openclaw", workspace, by: join(workspace, "openclaw.json") },
	]);
	expect(findStores({ AWS_ENDPOINT_URL_S3: "http://x" }, place).map(({ by }) => by)).toEqual([
		"AWS_ENDPOINT_URL_S3",
		join(place, ".aws/credentials"),
	]);
});
