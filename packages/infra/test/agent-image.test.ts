/** Which image the machines run, and where it comes from. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, CfnWaitConditionHandle, Stack } from "aws-cdk-lib";
import { Annotations, Match } from "aws-cdk-lib/assertions";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentImage, buildArgsOn, emulationNote } from "../lib/machines/agent-image.ts";
import { readConfig } from "../lib/settings/config.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const URI = `222222222222.dkr.ecr.eu-west-1.amazonaws.com/team/openclaw@${DIGEST}`;

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "openclaw-agent-image-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const config = (context: Record<string, unknown>) => readConfig(context, {});

/** The image in a stack of its own, and what the CLI is told to build. */
function synthesised(context: Record<string, unknown>) {
	const app = new App({ outdir: join(directory, "cdk.out") });
	const stack = new Stack(app, "Test");
	// Nothing of it is deployed, and a template without a resource is a finding.
	new CfnWaitConditionHandle(stack, "Any");
	const image = agentImage(stack, config(context));
	const rendered = stack.resolve(image.artifact._render());
	app.synth();
	const manifest = JSON.parse(readFileSync(join(directory, "cdk.out/Test.assets.json"), "utf8"));
	const images = Object.entries<{ readonly source: Record<string, unknown> }>(
		manifest.dockerImages ?? {},
	);
	const [[name, build] = []] = images;
	const notes = Annotations.fromStack(stack).findInfo("*", Match.anyValue());
	return {
		rendered,
		repositoryArn: stack.resolve(image.repositoryArn),
		name,
		build: build?.source,
		notes: notes.map(({ entry }) => String(entry.data)),
	};
}

describe("an image by URI", () => {
	test("is run as it is, nothing is built, and only its repository may be pulled from", () => {
		const { rendered, repositoryArn, build, notes } = synthesised({ "openclaw:imageUri": URI });
		expect(rendered).toMatchObject({ containerUri: URI });
		expect(repositoryArn["Fn::Join"][1].at(-1)).toBe(
			":ecr:eu-west-1:222222222222:repository/team/openclaw",
		);
		expect({ build, notes }).toEqual({ build: undefined, notes: [] });
	});

	test.each([
		"openclaw:latest",
		"docker.io/library/openclaw:1",
		"222222222222.dkr.ecr.eu-west-1.amazonaws.com/openclaw",
		"222222222222.dkr.ecr.eu-west-1.amazonaws.com/openclaw@sha256:short",
	])("must be in ECR, with a tag or digest: %s is refused", (uri) => {
		expect(() => config({ "openclaw:imageUri": uri })).toThrow(/openclaw:imageUri .*ACCOUNT\.dkr/);
	});

	test.each([
		["containerfile", import.meta.filename],
		["imageBuildArgs", "TOOLS=git"],
		["imageBuildSecrets", "ca=/ca.pem"],
	])("excludes %s, which builds one", (key, value) => {
		expect(() => config({ "openclaw:imageUri": URI, [`openclaw:${key}`]: value })).toThrow(
			new RegExp(`openclaw:${key} .*set one of the two`),
		);
	});
});

describe("an image that is built", () => {
	test("gets build arguments, with spaces and as JSON too", () => {
		for (const value of [
			"TOOLS=git curl,OPENCLAW_FIRST_LIFE=no",
			'{"TOOLS": "git curl", "OPENCLAW_FIRST_LIFE": "no"}',
			{ TOOLS: "git curl", OPENCLAW_FIRST_LIFE: "no" },
		]) {
			const { build } = synthesised({ "openclaw:imageBuildArgs": value });
			expect(build).toMatchObject({
				platform: "linux/arm64",
				dockerFile: "Containerfile",
				dockerBuildArgs: { TOOLS: "git curl", OPENCLAW_FIRST_LIFE: "no" },
			});
		}
	});

	test("gets secrets as files, whose place does not change the image's name", () => {
		const images = ["/one/ca.pem", "/two/ca.pem"].map((file) =>
			synthesised({ "openclaw:imageBuildSecrets": { ca: file } }),
		);
		expect(images.map(({ build }) => build)).toMatchObject([
			{ dockerBuildSecrets: { ca: "src=/one/ca.pem" } },
			{ dockerBuildSecrets: { ca: "src=/two/ca.pem" } },
		]);
		expect(images[0]?.name).toBe(images[1]?.name);
	});

	test("can come from another Containerfile, with its directory as the context", () => {
		const own = join(directory, "own");
		mkdirSync(own);
		writeFileSync(join(own, "Containerfile.tools"), "FROM localhost/openclaw-sidecar:latest\n");
		writeFileSync(join(own, "notes.txt"), "for the image\n");
		const { build } = synthesised({
			"openclaw:containerfile": join(own, "Containerfile.tools"),
		});
		expect(build).toMatchObject({ dockerFile: "Containerfile.tools", platform: "linux/arm64" });
	});

	test.each([
		[
			{ "openclaw:containerfile": "no/such/Containerfile" },
			/openclaw:containerfile .*no such file/,
		],
		[{ "openclaw:imageBuildArgs": "TOOLS" }, /openclaw:imageBuildArgs.*NAME=VALUE/],
		[{ "openclaw:imageBuildArgs": "{TOOLS}" }, /openclaw:imageBuildArgs .*is not JSON/],
		[{ "openclaw:imageBuildSecrets": { "a b": "/x" } }, /openclaw:imageBuildSecrets/],
	])("%j is refused", (context, message) => {
		expect(() => config(context)).toThrow(message);
	});
});

describe("the synthesis", () => {
	test("says that the build is emulated, what that costs, and how to avoid it", () => {
		const note = emulationNote("x64", config({}));
		expect(note).toMatch(/this machine is x64: emulation makes the build slow/);
		expect(note).toContain("every start of a machine compiles OpenClaw again");
		expect(note).toContain("openclaw:imageUri");
		const here = emulationNote(process.arch, config({}));
		expect(synthesised({}).notes).toEqual(here === undefined ? [] : [here]);
	});

	test("says nothing on arm64", () => {
		expect(emulationNote("arm64", config({}))).toBeUndefined();
	});

	test("leaves OpenClaw's first run out of an emulated build, unless a setting asks for it", () => {
		const own = join(directory, "Containerfile");
		writeFileSync(own, "FROM localhost/openclaw-sidecar:latest\n");
		const asked = config({ "openclaw:imageBuildArgs": "OPENCLAW_FIRST_LIFE=yes" });
		expect([
			buildArgsOn("x64", config({})),
			buildArgsOn("arm64", config({})),
			buildArgsOn("x64", asked),
			buildArgsOn("x64", config({ "openclaw:containerfile": own })),
		]).toEqual([{ OPENCLAW_FIRST_LIFE: "no" }, {}, { OPENCLAW_FIRST_LIFE: "yes" }, {}]);
		expect(emulationNote("x64", asked)).not.toContain("left out");
	});
});
