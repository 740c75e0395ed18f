/**
 * `pnpm image:test`: builds the image, builds it again from the cache, and runs it. Where the base
 * image cannot be pulled a fake of the same name takes its place, and a line says so. Where
 * programs for arm64 can be emulated, the image for it is assembled, too, without OpenClaw's
 * warm-up, and asked for its first ping.
 *
 * Needs root, for containers and a network of its own: what runs in it has this machine's loopback
 * interface, empty, and nothing else.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startS3Server } from "../../testkit/store/s3-server.ts";
import { makeFakeBase } from "../build/fake-base.ts";
import { labels } from "../build/labels.ts";
import { layersOf, layerTable } from "../build/layers.ts";
import { type Architecture, OWN_ARCHITECTURE, ROOT } from "../build/place.ts";
import { outputOf, succeeds } from "../build/run.ts";
import { buildImage } from "../build/tool.ts";
import { installMissing, whatEmulationLacks, whatIsLacking } from "./prerequisites.ts";

const TAG = "localhost/openclaw-sidecar";
const PULL_TIMEOUT_S = "30";
const isRequired = process.env.CI === "true";

if (isRequired) installMissing();
const lacking = whatIsLacking();
if (lacking !== undefined) skip("The image test", lacking);
if (lacking === undefined) await test();

async function test(): Promise<void> {
	// Containers within a container: the builder makes no further namespaces.
	process.env.BUILDAH_ISOLATION ??= "chroot";
	const lackingArm64 =
		OWN_ARCHITECTURE === "arm64" ? "this machine's own is tested" : whatEmulationLacks();
	// Whether a kernel runs programs of another architecture is not ours to decide: said, and no
	// failure.
	if (lackingArm64 !== undefined) skip("The emulated image for arm64", lackingArm64, false);
	const isStandIn = provideBase(
		lackingArm64 === undefined ? [OWN_ARCHITECTURE, "arm64"] : [OWN_ARCHITECTURE],
	);
	const build = (tag: string, architecture: Architecture, settings = {}) => {
		const started = performance.now();
		const platform = `linux/${architecture}`;
		buildImage({
			tool: "buildah",
			root: ROOT,
			labels: labels(),
			isOffline: isStandIn,
			tag,
			platform,
			settings,
		});
		return {
			id: outputOf(["buildah", "images", "--quiet", "--no-trunc", tag]),
			time: `${((performance.now() - started) / 1000).toFixed(1)} s`,
		};
	};

	const own = `${TAG}:${OWN_ARCHITECTURE}`;
	const first = build(own, OWN_ARCHITECTURE);
	const second = build(own, OWN_ARCHITECTURE);
	// An image made anew has another id, for it names the time.
	if (second.id !== first.id)
		throw new Error(
			`building again without a change made another image: ${first.id}, ${second.id}`,
		);
	console.log(
		`\n${own}: built in ${first.time}, again from the cache in ${second.time}\n\n${layerTable(layersOf("buildah", own))}\n`,
	);
	const arm64 = `${TAG}:arm64-without-warm-up`;
	if (lackingArm64 === undefined)
		console.log(
			`\n${arm64}: assembled in ${build(arm64, "arm64", { OPENCLAW_FIRST_LIFE: "no" }).time}\n`,
		);

	// Its program is made now, while there is a network.
	await (await startS3Server()).stop();
	const images = {
		OPENCLAW_TEST_IMAGE: own,
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

/** @returns whether it is a fake */
function provideBase(architectures: readonly Architecture[]): boolean {
	const base =
		/^ARG BASE=(\S+)$/m.exec(readFileSync(join(ROOT, "Containerfile"), "utf8"))?.[1] ?? "";
	const pull = [
		"buildah",
		"pull",
		"--quiet",
		"--policy=always",
		"--platform",
		`linux/${OWN_ARCHITECTURE}`,
		base,
	];
	if (succeeds(["timeout", PULL_TIMEOUT_S, ...pull])) return false;
	console.log(
		`${base} cannot be pulled here. A fake of that name takes its place: Debian and Node ${process.versions.node}`,
	);
	makeFakeBase(base, architectures);
	return true;
}

/** Says what is not tested here; where everything must be, that is a failure. */
function skip(what: string, why: string, isFailure = true): void {
	console.error(`${what} is SKIPPED: ${why}`);
	if (isRequired && isFailure) process.exitCode = 1;
}
