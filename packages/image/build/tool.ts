import type { Labels } from "./labels.ts";
import { OWN_ARCHITECTURE } from "./place.ts";
import { isInstalled, run, succeeds } from "./run.ts";

/** The program that builds and inspects images here. */
export type Tool = "buildah" | "podman" | "docker";

export interface BuildRequest {
	readonly tool: Tool;
	readonly tag: string;
	/** E.g. `linux/arm64`. */
	readonly platform: string;
	/** Overrides the Containerfile's default. */
	readonly base?: string;
	readonly root: string;
	readonly labels: Labels;
	/** The stage to build. Default: the whole image. */
	readonly target?: string;
	/** Further build arguments. */
	readonly settings?: Readonly<Record<string, string>>;
	/** Never contacts a registry, because everything needed is local. */
	readonly isOffline?: boolean;
}

/** docker without its engine cannot build. */
export function findTool(): Tool | undefined {
	const isThere = {
		podman: () => isInstalled("podman"),
		buildah: () => isInstalled("buildah"),
		docker: () => succeeds(["docker", "info"]),
	};
	return (["buildah", "podman", "docker"] as const).find((tool) => isThere[tool]());
}

/** @throws Error if the build fails; its output says why */
export function buildImage(request: BuildRequest): void {
	const { tool, tag, platform, base, root, labels, settings, target, isOffline } = request;
	const args = Object.entries({
		...labels,
		...settings,
		...(base !== undefined && { BASE: base }),
	}).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
	// For a proxy with its own certificate. A secret leaves nothing in the image.
	const certificates = process.env.NODE_EXTRA_CA_CERTS;
	const secret = certificates === undefined ? [] : ["--secret", `id=ca,src=${certificates}`];
	// Older buildah, such as that of Debian 12, does not know it in FROM. It would emulate stages
	// that can run natively.
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
		...(target === undefined ? [] : ["--target", target]),
		...args,
		...secret,
		"--file",
		"Containerfile",
		root,
	]);
}
