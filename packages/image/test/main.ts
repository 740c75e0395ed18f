/**
 * `pnpm image:test` builds the image, builds it again from the cache, and runs it. It also builds
 * the system alone with tools for the agent. If the base image cannot be pulled, a fake replaces it,
 * with a message. If programs for arm64 can be emulated, the image for arm64 is also built, without
 * OpenClaw's warm-up, and pinged once.
 *
 * Asks Debian which security updates the image lacks, which is an error.
 *
 * Needs root, for containers and a network namespace. The containers see only an empty loopback
 * interface.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startS3Server } from "../../testkit/store/s3-server.ts";
import { baseIn } from "../build/base-line.ts";
import { makeFakeBase } from "../build/fake-base.ts";
import { labels } from "../build/labels.ts";
import { layersOf, layerTable } from "../build/layers.ts";
import { type Architecture, OWN_ARCHITECTURE, ROOT } from "../build/place.ts";
import { outputOf, succeeds } from "../build/run.ts";
import { securityUpdates } from "../build/security-updates.ts";
import { buildImage } from "../build/tool.ts";
import { installMissing, whatEmulationLacks, whatIsLacking } from "./prerequisites.ts";
import { makeSystemdRoot } from "./systemd-root.ts";

const TAG = "localhost/openclaw-sidecar";
/** The ones that docs/image.md names. */
const TOOLS = "git curl ca-certificates python3";
const PULL_TIMEOUT_S = "30";
const isRequired = process.env.CI === "true";

if (isRequired) installMissing();
const lacking = whatIsLacking();
if (lacking !== undefined) skip("The image test", lacking);
if (lacking === undefined) await test();

async function test(): Promise<void> {
	// Containers within a container: the builder creates no further namespaces.
	process.env.BUILDAH_ISOLATION ??= "chroot";
	const lackingArm64 =
		OWN_ARCHITECTURE === "arm64" ? "this machine's own is tested" : whatEmulationLacks();
	// We cannot control whether a kernel runs programs of another architecture, so this is a message
	// and not a failure.
	if (lackingArm64 !== undefined) skip("The emulated image for arm64", lackingArm64, false);
	const standIn = provideBase(
		lackingArm64 === undefined ? [OWN_ARCHITECTURE, "arm64"] : [OWN_ARCHITECTURE],
	);
	const build = (tag: string, architecture: Architecture, settings = {}, target?: string) => {
		const started = performance.now();
		const platform = `linux/${architecture}`;
		buildImage({
			tool: "buildah",
			root: ROOT,
			labels: labels(),
			...(standIn !== undefined && { base: standIn, isOffline: true }),
			tag,
			platform,
			settings,
			...(target !== undefined && { target }),
		});
		return {
			id: outputOf(["buildah", "images", "--quiet", "--no-trunc", tag]),
			time: `${((performance.now() - started) / 1000).toFixed(1)} s`,
		};
	};

	const own = `${TAG}:${OWN_ARCHITECTURE}`;
	const first = build(own, OWN_ARCHITECTURE);
	const second = build(own, OWN_ARCHITECTURE);
	// A rebuilt image has another id, because the id depends on the time.
	if (second.id !== first.id)
		throw new Error(`a rebuild without changes produced another image: ${first.id}, ${second.id}`);
	console.log(
		`\n${own}: built in ${first.time}, again from the cache in ${second.time}\n\n${layerTable(layersOf("buildah", own))}\n`,
	);
	const tools = `${TAG}:tools`;
	const { time } = build(tools, OWN_ARCHITECTURE, { TOOLS }, "tools");
	console.log(`${tools}: ${TOOLS}, added in ${time}`);
	const arm64 = `${TAG}:arm64-without-warm-up`;
	if (lackingArm64 === undefined)
		console.log(
			`\n${arm64}: assembled in ${build(arm64, "arm64", { OPENCLAW_FIRST_LIFE: "no" }).time}\n`,
		);

	for (const image of [own, tools]) requireNoUpdates(image);

	// Made now, while there is a network.
	await (await startS3Server()).stop();
	makeSystemdRoot();
	const images = {
		OPENCLAW_TEST_IMAGE: own,
		OPENCLAW_TEST_IMAGE_TOOLS: tools,
		...(lackingArm64 === undefined && { OPENCLAW_TEST_IMAGE_ARM64: arm64 }),
	};
	const vitest = [join(ROOT, "node_modules/.bin/vitest"), "run", "--mode", "image"];
	const inOwnNetwork = [
		"--net",
		"--",
		"sh",
		"-c",
		'ip link set lo up && exec "$@"',
		"sh",
		...vitest,
	];
	const { status } = spawnSync("unshare", inOwnNetwork, {
		cwd: ROOT,
		stdio: "inherit",
		env: { ...process.env, ...images },
	});
	process.exitCode = status ?? 1;
}

/** @returns the fake; undefined if the base of the Containerfile can be had */
function provideBase(architectures: readonly Architecture[]): string | undefined {
	const { name, tag, digest } = baseIn(readFileSync(join(ROOT, "Containerfile"), "utf8"));
	const base = digest === undefined ? `${name}:${tag}` : `${name}@${digest}`;
	const pull = [
		"buildah",
		"pull",
		"--quiet",
		"--policy=always",
		"--platform",
		`linux/${OWN_ARCHITECTURE}`,
		base,
	];
	if (succeeds(["timeout", PULL_TIMEOUT_S, ...pull])) return undefined;
	console.log(
		`${base} cannot be pulled here. A fake takes its place: Debian and Node ${process.versions.node}`,
	);
	return makeFakeBase(architectures);
}

/** A base that lags behind Debian has known vulnerabilities. */
function requireNoUpdates(image: string): void {
	const updates = securityUpdates(image);
	if (updates.length > 0)
		throw new Error(
			`${image} lacks security updates of Debian: ${updates.join(", ")}. Run \`pnpm image:base\`; if the newest base lacks them too, name the packages in TOOLS, which installs the newest`,
		);
	console.log(`${image}: no security update of Debian is missing`);
}

/** Reports what is not tested here; if everything must be tested, that is a failure. */
function skip(what: string, why: string, isFailure = true): void {
	console.error(`${what} is SKIPPED: ${why}`);
	if (isRequired && isFailure) process.exitCode = 1;
}
