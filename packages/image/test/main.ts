/**
 * `pnpm image:test`: builds the image, builds it again from the cache, and runs it. Where the base image cannot be pulled a stand-in of the
 * same name takes its place, and a line says so. Where programs for arm64 can be emulated, the image for it is assembled, too, without
 * OpenClaw's first life, and asked for its first ping.
 *
 * Needs root, for containers and a network of its own: what runs in it has this machine's loopback interface, empty, and nothing else.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startS3Server } from "../../sidecar/test/s3-server.ts";
import { labels } from "../build/labels.ts";
import { layersOf, layerTable } from "../build/layers.ts";
import { type Architecture, OWN_ARCHITECTURE, ROOT } from "../build/place.ts";
import { isInstalled, run, succeeds } from "../build/run.ts";
import { makeStandIn } from "../build/stand-in.ts";
import { buildImage, buildImageQuietly } from "../build/tool.ts";
import { emulatesArm64, enableArm64 } from "./emulation.ts";

const TAG = "localhost/openclaw-sidecar";
/** By the name of the program, the Debian package it is in. */
const NEEDED = {
	buildah: "buildah",
	podman: "podman",
	runc: "runc",
	mmdebstrap: "mmdebstrap",
	ip: "iproute2",
	unshare: "util-linux",
} as const;
const EMULATION = ["qemu-user-static", "binfmt-support"];
const PULL_TIMEOUT_S = "20";

if (process.env.CI === "true") {
	install([...missingPackages(), ...(emulatesArm64() ? [] : EMULATION)]);
	enableArm64();
}
const lacking = whatIsLacking();
if (lacking !== undefined) {
	console.error(`The image test is SKIPPED: ${lacking}`);
	process.exit(process.env.CI === "true" ? 1 : 0);
}

// Containers within a container: the builder makes no further namespaces.
process.env.BUILDAH_ISOLATION ??= "chroot";
const isArm64Foreign = OWN_ARCHITECTURE !== "arm64" && emulatesArm64();
if (OWN_ARCHITECTURE !== "arm64" && !isArm64Foreign) {
	const how = `On Debian: ${installation(EMULATION).join(" ")}`;
	if (process.env.CI === "true") fail(`programs for arm64 cannot be emulated here. ${how}`);
	console.log(`The image for arm64 is SKIPPED: its programs cannot be emulated here. ${how}`);
}
const architectures: readonly Architecture[] = isArm64Foreign ? [OWN_ARCHITECTURE, "arm64"] : [OWN_ARCHITECTURE];
const base = /^ARG BASE=(\S+)$/m.exec(readFileSync(join(ROOT, "Containerfile"), "utf8"))?.[1] ?? "";
provideBase();

const request = { tool: "buildah", root: ROOT, labels: labels(), isOffline: true } as const;
const image = `${TAG}:${OWN_ARCHITECTURE}`;
const builtMs = timed(() => buildImage({ ...request, tag: image, platform: `linux/${OWN_ARCHITECTURE}` }));
const again = timedOutput(() => buildImageQuietly({ ...request, tag: image, platform: `linux/${OWN_ARCHITECTURE}` }));
const repeated = again.output.match(/^--> (?!Using cache)[0-9a-f]+$/gm) ?? [];
if (repeated.length > 0) fail(`building again without a change took no step from the cache: ${repeated.length} were done anew`);
console.log(`\nbuilt in ${seconds(builtMs)}, again from the cache in ${seconds(again.ms)}\n\n${layerTable(layersOf("buildah", image))}\n`);

const arm64 = `${TAG}:arm64-without-first-life`;
if (isArm64Foreign) {
	const settings = { OPENCLAW_FIRST_LIFE: "no" };
	const ms = timed(() => buildImage({ ...request, tag: arm64, platform: "linux/arm64", settings }));
	console.log(`\nassembled for arm64 in ${seconds(ms)}\n`);
}

// Its program is built now, while there is a network.
await (await startS3Server()).stop();
const vitest = join(ROOT, "node_modules/.bin/vitest");
const inOwnNetwork = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const { status } = spawnSync("unshare", [...inOwnNetwork.slice(1), vitest, "run", "--mode", "image"], {
	cwd: ROOT,
	stdio: "inherit",
	env: { ...process.env, OPENCLAW_TEST_IMAGE: image, ...(isArm64Foreign && { OPENCLAW_TEST_IMAGE_ARM64: arm64 }) },
});
if (status !== 0) process.exit(status ?? 1);

function whatIsLacking(): string | undefined {
	if (process.getuid?.() !== 0) return "it must be run as root";
	const packages = missingPackages();
	return packages.length === 0 ? undefined : `it needs ${packages.join(", ")}. On Debian: ${installation(packages).join(" ")}`;
}

function missingPackages(): readonly string[] {
	return Object.entries(NEEDED)
		.filter(([program]) => !isInstalled(program))
		.map(([, name]) => name);
}

function installation(packages: readonly string[]): readonly string[] {
	return ["apt-get", "install", "--yes", "--no-install-recommends", ...packages];
}

/** Only where a machine is made for one run. */
function install(packages: readonly string[]): void {
	if (packages.length === 0 || process.getuid?.() !== 0 || !isInstalled("apt-get")) return;
	run(["apt-get", "update"]);
	run(installation(packages));
}

function provideBase(): void {
	const isHere = (architecture: Architecture) =>
		succeeds(["timeout", PULL_TIMEOUT_S, "buildah", "pull", "--quiet", "--policy=always", "--platform", `linux/${architecture}`, base]);
	if (architectures.every(isHere)) return;
	console.log(
		`${base} cannot be pulled here: a stand-in of that name is used, Debian and Node ${process.versions.node} from their own sources`,
	);
	makeStandIn(base, architectures);
}

function timed(act: () => void): number {
	const started = performance.now();
	act();
	return performance.now() - started;
}

function timedOutput(act: () => string): { readonly output: string; readonly ms: number } {
	let output = "";
	const ms = timed(() => {
		output = act();
	});
	return { output, ms };
}

function seconds(ms: number): string {
	return `${(ms / 1000).toFixed(1)} s`;
}

function fail(message: string): never {
	console.error(`image:test: ${message}`);
	process.exit(1);
}
