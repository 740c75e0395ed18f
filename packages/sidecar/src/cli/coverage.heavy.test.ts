import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { jsonObject, Place } from "../../../testkit/cli.ts";

function put(path: string, content = "x"): string {
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, content);
	return path;
}

// @id outside-place-named
test("flush, status, doctor and run name a place outside, and none of them says that everything is durable", async () => {
	using place = new Place();
	const data = dirname(put(join(place.dir, "data/workspace/MEMORY.md")));
	put(place.path("a", "notes.md"));
	symlinkSync(data, place.path("a", "workspace"));
	const flag = `--root workspace=${data}`;

	const first = await place.cli("a", ["flush"]);
	expect(first).toMatchObject({ status: 0, stdout: expect.stringContaining(flag) });
	const flush = await place.cli("a", ["flush"]);
	expect(flush).toMatchObject({
		status: 0,
		stdout: expect.stringContaining(`NOT KEPT  ${data}: the link workspace`),
	});
	const status = await place.cli("a", ["status"]);
	expect(status.status).toBe(0);
	expect(status.stdout).toContain(flag);
	expect(jsonObject((await place.cli("a", ["status", "--json"])).stdout)).toMatchObject({
		durable: true,
		notCovered: [data],
	});
	const doctor = jsonObject((await place.cli("a", ["doctor", "--json"])).stdout);
	expect(doctor.checks).toContainEqual(
		expect.objectContaining({
			name: "links",
			status: "warning",
			found: expect.stringContaining(data),
			remedy: expect.stringContaining(flag),
		}),
	);
	const run = await place.cli("a", ["run", "--", "true"]);
	expect(run).toMatchObject({
		status: 0,
		stderr: expect.stringContaining("everything in the workspace is durable: commit "),
	});
	expect(run.stderr).toMatch(/1 place NOT KEPT/);
	for (const said of [flush.stdout, status.stdout, run.stderr])
		expect(said).not.toMatch(/everything (?:is durable|on this disk)/);

	const kept = await place.cli("a", ["run", "--root", `workspace=${data}`, "--", "true"]);
	expect(kept.stderr).toContain("\neverything is durable: commit ");
	expect(kept.events.filter(({ event }) => event === "workspace.not-covered")).toEqual([]);
	expect((await place.cli("a", ["ls", ".roots/workspace"])).stdout).toContain("MEMORY.md");
});

// @id ignored-counted
test("flush and status count what the ignore file leaves out, and keep exit status 0", async () => {
	using place = new Place();
	put(place.path("a", "private/x"), "12345");
	put(place.path("a", ".openclaw-sidecar-ignore"), "/private/\n");
	await place.cli("a", ["flush"]);
	const flush = await place.cli("a", ["flush"]);
	expect(flush).toMatchObject({
		status: 0,
		stdout: expect.stringContaining("left out  1 file, 5 B by .openclaw-sidecar-ignore: private\n"),
	});
	const status = await place.cli("a", ["status"]);
	expect(status.status).toBe(0);
	expect(status.stdout).toContain(
		"everything else on this disk is in the log; left out: 1 file, 5 B",
	);
});

// @id start-receipt
test("a start gives a receipt: what was restored, what is missing, what is outside", async () => {
	using place = new Place();
	const receiptOf = ({ events, stderr }: Awaited<ReturnType<Place["cli"]>>) => ({
		event: events.filter(({ event }) => event === "start.receipt"),
		line: stderr.split("\n").filter((line) => /^(?:IN)?COMPLETE: /.test(line)),
	});
	put(place.path("a", "notes.md"), "12345");
	const root = join(place.dir, "a", "notes");
	put(join(root, "x"), "1");
	const fresh = receiptOf(await place.cli("a", ["run", "--root", `notes=${root}`, "--", "true"]));
	expect(fresh.event).toMatchObject([
		{ verdict: "COMPLETE", commit: 0, files: 0, missing: [], outside: [], unknown: [] },
	]);
	expect(fresh.line).toEqual(["COMPLETE: the log is empty"]);

	symlinkSync(join(place.dir, "elsewhere"), place.path("a", "out"));
	await place.cli("a", ["flush", "--root", `notes=${root}`]);
	const { event, line } = receiptOf(await place.cli("b", ["run", "--", "true"]));
	const outside = [join(place.dir, "elsewhere")];
	expect(event).toMatchObject([
		{
			level: "warn",
			verdict: "INCOMPLETE",
			files: 1,
			bytes: 5,
			missing: [{ path: ".roots/notes", files: 1, bytes: 1 }],
			outside,
		},
	]);
	expect(line).toEqual([
		expect.stringMatching(
			/^INCOMPLETE: restored 1 file, 5 B of commit \d+; missing: \.roots\/notes \(1 file\); outside: \/.*$/,
		),
	]);
	expect((await place.cli("b", ["run", "--json", "--", "true"])).stderr).not.toMatch(
		/^INCOMPLETE/m,
	);
});

test("a start's receipt says what OpenClaw's settings leave unknown, and what is used without a setting", async () => {
	using place = new Place();
	const receipt = async (...args: string[]) => {
		const { events } = await place.cli("a", ["run", ...args, "--", "true"]);
		return events.find(({ event }) => event === "start.receipt");
	};
	const openclaw = ["--profile", "openclaw"];
	const nowhere = "$" + "{NOWHERE}/ws";
	expect(await receipt(...openclaw)).toMatchObject({ verdict: "COMPLETE", unknown: [] });

	const config = put(
		place.path("a", "openclaw.json"),
		`{ $include: "gone.json", agents: { defaults: { workspace: "${nowhere}" } } }`,
	);
	const skills = dirname(put(join(place.dir, ".agents/skills/x")));
	const unknown = {
		verdict: "INCOMPLETE",
		outside: [skills],
		unknown: [
			join(dirname(config), "gone.json"),
			`agents.defaults.workspace in openclaw.json: ${nowhere}`,
		],
	};
	expect(await receipt(...openclaw)).toMatchObject(unknown);
	expect(await receipt("--profile", "plain")).toMatchObject({
		verdict: "COMPLETE",
		outside: [],
		unknown: [],
	});
});

test("reports a link that an agent makes while it runs", async () => {
	using place = new Place();
	const outside = join(place.dir, "outside");
	mkdirSync(outside);
	const run = await place.cli("a", [
		"run",
		"--",
		"sh",
		"-c",
		'ln -s "$0" "$1"',
		outside,
		place.path("a", "link"),
	]);
	expect(run.events.filter(({ event }) => event === "workspace.not-covered")).toMatchObject([
		{
			paths: [outside],
			by: ["the link link"],
			remedy: expect.stringContaining(`--root outside=${outside}`),
		},
	]);
});
