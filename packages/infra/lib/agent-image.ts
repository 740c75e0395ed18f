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
import { type Config, IMAGE_URI } from "./config.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

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
	const { repository, imageTag } = new DockerImageAsset(scope, "Image", {
		...placeOf(config.containerfile),
		platform: Platform.LINUX_ARM64,
		...(hasAny(config.imageBuildArgs) && { buildArgs: config.imageBuildArgs }),
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

/** @returns undefined if nothing is emulated */
export function emulationNote(
	architecture: string,
	{ imageBuildArgs }: Pick<Config, "imageBuildArgs">,
): string | undefined {
	if (architecture === "arm64") return undefined;
	const isWarmed = imageBuildArgs.OPENCLAW_FIRST_LIFE !== "no";
	return [
		`The image is built for arm64, and this machine is ${architecture}: emulation makes the build slow.`,
		...(isWarmed
			? [
					"OpenClaw's first run, which leaves its compiled code, takes most of the time; the build argument OPENCLAW_FIRST_LIFE=no leaves it out, and makes every start slower.",
				]
			: [
					"Without OpenClaw's first run in the build, every start of a machine compiles OpenClaw again.",
				]),
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
