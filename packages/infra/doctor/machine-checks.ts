/** The requirements on the machine that deploys. */
import type { Config } from "../lib/settings/config.ts";
import { type Check, failed, isAtLeast, ok, warning } from "./check.ts";

/** The values found; undefined if missing. */
export interface Machine {
	readonly nodeVersion: string;
	/** The version of the CDK CLI in this package. */
	readonly cdkVersion: string | undefined;
	/** Program and its version line. */
	readonly containerTool: { readonly name: string; readonly version: string } | undefined;
	/** `arm64`, `x64`. */
	readonly architecture: string;
	/** Can it run programs for arm64, natively or emulated? */
	readonly runsArm64: boolean;
}

/** The newest security release, as in the sidecar's own doctor. */
export const PATCHED_NODE = "24.22.3";

/** The CLI must support the newest format that the library writes. */
const MIN_CDK = "2.1148.1";

export function checkMachine(
	{ nodeVersion, cdkVersion, containerTool, architecture, runsArm64 }: Machine,
	{ imageUri }: Pick<Config, "imageUri">,
): readonly Check[] {
	const common = [checkNode(nodeVersion), checkCdk(cdkVersion)];
	if (imageUri !== undefined)
		return [...common, ok("container tool", "not needed: openclaw:imageUri is set")];
	return [
		...common,
		containerTool === undefined
			? failed(
					"container tool",
					"none",
					"install Docker, Podman or Finch; for Podman or Finch, set CDK_DOCKER to its name",
				)
			: ok("container tool", `${containerTool.name}: ${containerTool.version}`),
		runsArm64
			? ok("arm64 images", architecture === "arm64" ? "native" : `emulated on ${architecture}`)
			: warning(
					"arm64 images",
					`${architecture} without emulation`,
					"AgentCore runs arm64: install qemu-user-static and binfmt-support, or deploy from an arm64 machine",
				),
	];
}

function checkNode(version: string): Check {
	const name = "Node";
	const remedy = "`pnpm install` installs the right one for `pnpm infra:doctor`";
	if (!isAtLeast(version, "24.0.0"))
		return failed(name, version, `use Node 24 or newer: ${remedy}`);
	return isAtLeast(version, PATCHED_NODE)
		? ok(name, version)
		: warning(
				name,
				`${version}, without security fixes`,
				`use Node ${PATCHED_NODE} or newer: ${remedy}`,
			);
}

function checkCdk(version: string | undefined): Check {
	const name = "CDK CLI";
	if (version === undefined) return failed(name, "none", "run `pnpm install`");
	// npm's tag `latest` once pointed to a stray 3.0.0 that is older than 2.1148.
	if (!version.startsWith("2."))
		return failed(name, version, `use ${MIN_CDK}, which package.json pins: \`pnpm install\``);
	return isAtLeast(version, MIN_CDK)
		? ok(name, version)
		: failed(name, version, `use ${MIN_CDK} or newer: \`pnpm install\``);
}
