import type { Labels } from "./labels.ts";
import { OWN_ARCHITECTURE } from "./place.ts";
import { isInstalled, run, succeeds } from "./run.ts";

/** What builds images here, and can tell of them. */
export type Tool = "buildah" | "podman" | "docker";

export interface BuildRequest {
	readonly tool: Tool;
	readonly tag: string;
	/** E.g. `linux/arm64`. */
	readonly platform: string;
	/** Instead of the Containerfile's own. */
	readonly base?: string;
	readonly root: string;
	readonly labels: Labels;
	/** Further build arguments. */
	readonly settings?: Readonly<Record<string, string>>;
	/** Never asks a registry: what is needed is here. */
	readonly isOffline?: boolean;
}

/** A docker without its engine builds nothing. */
export function findTool(): Tool | undefined {
	const isThere = {
		podman: () => isInstalled("podman"),
		buildah: () => isInstalled("buildah"),
		docker: () => succeeds(["docker", "info"]),
	};
	return (["buildah", "podman", "docker"] as const).find((tool) => isThere[tool]());
}

/** @throws Error where the build fails; what it printed says why */
export function buildImage(request: BuildRequest): void {
	const { tool, tag, platform, base, root, labels, settings, isOffline } = request;
	const args = Object.entries({
		...labels,
		...settings,
		...(base !== undefined && { BASE: base }),
	}).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
	// Behind a proxy with a certificate of its own. A secret leaves nothing in the image.
	const certificates = process.env.NODE_EXTRA_CA_CERTS;
	const secret = certificates === undefined ? [] : ["--secret", `id=ca,src=${certificates}`];
	// Older buildah, Debian 12's among them, does not know it in FROM and would emulate what can run
	// natively.
	const builder = `BUILDPLATFORM=linux/${OWN_ARCHITECTURE}`;
	const own =
		tool === "docker"
			? []
			: ["--layers", "--build-arg", builder, ...(isOffline ? ["--pull=never"] : [])];
	run([
		tool,
		"build",
		...own,
		"--platform",
		platform,
		"--tag",
		tag,
		...args,
		...secret,
		"--file",
		"Containerfile",
		root,
	]);
}
