/**
 * The image of the agent's machines: built from a Containerfile for arm64, which AgentCore runs, or
 * one that is in ECR already.
 */
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Annotations, Arn, DockerBuildSecret, IgnoreMode, Stack } from "aws-cdk-lib";
import { AgentRuntimeArtifact } from "aws-cdk-lib/aws-bedrockagentcore";
import { DockerImageAsset, Platform } from "aws-cdk-lib/aws-ecr-assets";
import type { Construct } from "constructs";
import { type Config, IMAGE_URI } from "../settings/config.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

export interface AgentImage {
	readonly artifact: AgentRuntimeArtifact;
	/** The machines' role must be allowed to pull from it. */
	readonly repositoryArn: string;
}

export function agentImage(scope: Construct, config: Config): AgentImage {
	if (config.imageUri !== undefined) {
		const [, account = "", region = "", resourceName = ""] = IMAGE_URI.exec(config.imageUri) ?? [];
		const place = { service: "ecr", resource: "repository", account, region, resourceName };
		return {
			artifact: AgentRuntimeArtifact.fromImageUri(config.imageUri),
			repositoryArn: Arn.format(place, Stack.of(scope)),
		};
	}
	const note = emulationNote(process.arch, config);
	if (note !== undefined) Annotations.of(scope).addInfo(note);
	const buildArgs = buildArgsOn(process.arch, config);
	const { repository, imageTag } = new DockerImageAsset(scope, "Image", {
		...placeOf(config.containerfile),
		platform: Platform.LINUX_ARM64,
		...(hasAny(buildArgs) && { buildArgs }),
		...(hasAny(config.imageBuildSecrets) && {
			buildSecrets: Object.fromEntries(
				Object.entries(config.imageBuildSecrets).map(([id, file]) => [
					id,
					DockerBuildSecret.fromSrc(resolve(file)),
				]),
			),
			// Where a secret lies differs between machines, and must not make another image.
			invalidation: { buildSecrets: false },
		}),
		assetName: "openclaw-agent",
	});
	return {
		artifact: AgentRuntimeArtifact.fromEcrRepository(repository, imageTag),
		repositoryArn: repository.repositoryArn,
	};
}

type BuildConfig = Pick<Config, "imageBuildArgs" | "containerfile">;

/**
 * Without OpenClaw's first run where that would be emulated: its time limits are too short for that
 * (docs/image.md). A setting overrides it.
 */
export function buildArgsOn(
	architecture: string,
	{ imageBuildArgs, containerfile }: BuildConfig,
): Readonly<Record<string, string>> {
	const isLeftOut = architecture !== "arm64" && containerfile === undefined;
	return { ...(isLeftOut && { OPENCLAW_FIRST_LIFE: "no" }), ...imageBuildArgs };
}

/** @returns undefined if nothing is emulated */
export function emulationNote(architecture: string, config: BuildConfig): string | undefined {
	if (architecture === "arm64") return undefined;
	return [
		`The image is built for arm64, and this machine is ${architecture}: emulation makes the build slow.`,
		...(buildArgsOn(architecture, config).OPENCLAW_FIRST_LIFE === "no"
			? [
					"OpenClaw's first run is left out of the build, because it can fail under emulation. So every start of a machine compiles OpenClaw again, and is slower.",
				]
			: []),
		"To avoid both, build on an arm64 machine (packages/image/ci/arm64.yml) and set openclaw:imageUri.",
	].join(" ");
}

function placeOf(containerfile: string | undefined) {
	if (containerfile !== undefined)
		return { directory: dirname(resolve(containerfile)), file: basename(containerfile) };
	// The root's .dockerignore selects the files. No other file changes the image's hash or is read at
	// synth.
	return { directory: ROOT, file: "Containerfile", ignoreMode: IgnoreMode.DOCKER };
}

const hasAny = (record: object) => Object.keys(record).length > 0;
