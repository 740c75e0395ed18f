import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { jsonObject, Place } from "../../../testkit/cli.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";

test("run keeps additional roots: watched, committed, and restored on another machine, also after a kill", async () => {
	using place = new Place();
	const rootOf = (machine: string, name: string) => join(place.dir, machine, name);
	const rootsOf = (machine: string) =>
		["notes", "code"].flatMap((name) => ["--root", `${name}=${rootOf(machine, name)}`]);
	mkdirSync(rootOf("a", "notes"), { recursive: true });
	writeFileSync(join(rootOf("a", "notes"), "before"), "the daemon");
	{
		await using daemon = await place.run("a", rootsOf("a"));
		await daemon.waitForEvent("flush.committed");
		const committed = () => daemon.events.filter(({ event }) => event === "flush.committed");
		const before = committed().length;
		writeFileSync(join(rootOf("a", "code"), "main.ts"), "export {};");
		await daemon.waitForEvent("flush.committed", (event) => committed().indexOf(event) >= before);
		await daemon.stop("SIGKILL");
	}
	expect((await place.cli("b", ["ls", ".roots/code"])).stdout).toContain(".roots/code/main.ts");
	expect((await place.cli("b", ["cat", ".roots/code/main.ts"])).stdout).toBe("export {};");
	const env = {
		OPENCLAW_SIDECAR_ROOT: `notes=${rootOf("b", "notes")},code=${rootOf("b", "code")}`,
	};
	const run = await place.cli(
		"b",
		[
			"run",
			"--",
			"sh",
			"-c",
			'test -e "$0" && echo by agent > "$1"',
			join(rootOf("b", "notes"), "before"),
			join(rootOf("b", "notes"), "after"),
		],
		{ env },
	);
	expect(run.status).toBe(0);
	expect(readFileSync(join(rootOf("b", "code"), "main.ts"), "utf8")).toBe("export {};");
	const restored = await place.cli("c", ["restore", "--json", ...rootsOf("c").slice(0, 2)]);
	expect(jsonObject(restored.stdout)).toMatchObject({
		elsewhere: [{ path: ".roots/code", files: 1 }],
	});
	expect(readDisk(rootOf("c", "notes"))).toEqual(readDisk(rootOf("b", "notes")));
	expect((await place.cli("c", ["status"])).stdout).toMatch(/elsewhere +\.roots\/code: 1 file/);
});

test("rejects a root in the workspace as a usage error with a remedy, and an invalid value too", async () => {
	using place = new Place();
	const inside = await place.cli("a", ["run", "--root", `x=${place.path("a", "x")}`]);
	expect(inside.status).toBe(2);
	expect(inside.stderr).toMatch(/the root x is inside the workspace/);
	expect(inside.stderr).toMatch(/what to do: remove this --root/);
	const relative = await place.cli("a", ["status", "--root", "x=relative"]);
	expect(relative.status).toBe(2);
	expect(relative.stderr).toMatch(/x=relative.*flag --root accepts NAME=DIR/);
});

// @id uncovered-directory
test("reports an agent's directory that is not stored as an event, in doctor and in status; a root covers it", async () => {
	using place = new Place();
	const notes = join(place.dir, "a", "notes");
	const config = place.path("a", "openclaw.json");
	mkdirSync(dirname(config), { recursive: true });
	writeFileSync(config, JSON.stringify({ agents: { list: [{ workspace: notes }] } }));
	const openclaw = ["--profile", "openclaw"];
	const later = join(place.dir, "a", "later");
	// The agent itself names another one.
	const command = [
		"--",
		"sh",
		"-c",
		`sed -i 's#"list":.#&{"workspace":"${later}"},#' "$0"`,
		config,
	];
	const uncovered = await place.cli("a", ["run", ...openclaw, ...command]);
	const notCovered = ({ events }: typeof uncovered) =>
		events.filter(({ event }) => event === "workspace.not-covered");
	const add = (...names: readonly string[]) =>
		names.map((name) => `--root ${name}=${join(place.dir, "a", name)}`).join(" ");
	expect(notCovered(uncovered)).toMatchObject([
		{ level: "warn", paths: [notes], remedy: expect.stringContaining(`add ${add("notes")}, or`) },
		{
			level: "warn",
			paths: [later, notes],
			remedy: expect.stringContaining(`add ${add("later", "notes")}, or`),
		},
	]);
	const root = ["--root", `notes=${notes}`, "--root", `later=${later}`];
	expect(notCovered(await place.cli("a", ["run", ...openclaw, ...root, "--", "true"]))).toEqual([]);
	const found = async (args: readonly string[]) => {
		const { checks } = jsonObject(
			(await place.cli("a", ["doctor", "--json", ...openclaw, ...args])).stdout,
		);
		return (checks as { name: string; status: string; found: string }[]).find(
			({ name }) => name === "agents' directories",
		);
	};
	expect(await found([])).toMatchObject({
		status: "warning",
		found: expect.stringContaining(`${later}, ${notes}`),
		remedy: expect.stringContaining(add("later", "notes")),
	});
	expect(await found(root)).toMatchObject({ status: "ok" });
	const status = (await place.cli("a", ["status", ...openclaw])).stdout;
	expect(status).toMatch(new RegExp(`NOT KEPT +${later}: OpenClaw assigns it to an agent`));
});

test.skipIf(process.geteuid?.() !== 0)(
	"an agent of another user may write to the roots that were restored for it",
	async () => {
		using place = new Place();
		// Nothing of its path exists yet.
		const notes = join(place.dir, "a", "data", "agents", "notes");
		place.path("a");
		const args = [
			"--root",
			`notes=${notes}`,
			"--agent-user",
			"65534:65534",
			"--",
			"sh",
			"-c",
			'echo mine > "$0"',
			join(notes, "by-agent"),
		];
		const { status, stderr } = await place.cli("a", ["run", ...args]);
		expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
		expect((await place.cli("a", ["cat", ".roots/notes/by-agent"])).stdout).toBe("mine\n");
	},
);
