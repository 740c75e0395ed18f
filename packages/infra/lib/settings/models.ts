/**
 * Bedrock's names for callable models: a model, or a profile that forwards a call to a model in one
 * of several regions.
 */
import { Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";

/** `eu.anthropic.claude-…`, `global.amazon.nova-…`. Without the prefix: a model of this region. */
const PROFILE = /^(global|us|us-gov|eu|apac|jp|au|ca)\.(.+)$/;

/**
 * The regions that can call a profile with this prefix.
 * https://docs.aws.amazon.com/bedrock/latest/userguide/model-card-anthropic-claude-opus-5.html and
 * geographic-cross-region-inference.html (September 2026)
 */
const CALLABLE_FROM: Readonly<Record<string, RegExp>> = {
	global: /^(?!us-gov-)/,
	us: /^(us|ca)-(?!gov-)/,
	"us-gov": /^us-gov-/,
	eu: /^eu-/,
	apac: /^ap-/,
	jp: /^ap-northeast-[13]$/,
	au: /^ap-southeast-[246]$/,
	ca: /^ca-/,
};

/** As the sidecar's `--model-upstream`. */
export const MODEL_UPSTREAMS = ["bedrock-runtime", "bedrock-mantle"] as const;

/**
 * Every commercial region can call it. The sidecar's own default too; decision 63 says why, and what
 * an account must do once.
 */
export const DEFAULT_MODEL = "global.anthropic.claude-opus-5";

interface Settings {
	readonly models: readonly string[];
	readonly modelUpstream: (typeof MODEL_UPSTREAMS)[number];
	readonly region?: string | undefined;
}

/** Why the models cannot answer, each with what to do. */
export function checkModels({ models, modelUpstream, region }: Settings): readonly string[] {
	if (models.length === 0)
		return [`NO_MODEL: the agent could answer nobody: name a model, for example ${DEFAULT_MODEL}`];
	return models.flatMap((id) => {
		const prefix = PROFILE.exec(id)?.[1];
		if (modelUpstream === "bedrock-mantle")
			return prefix === undefined
				? []
				: [
						`MODEL_NOT_SERVED: bedrock-mantle serves no profiles: write ${modelOfProfile(id)}, or set openclaw:modelUpstream to bedrock-runtime`,
					];
		if (prefix === undefined)
			// AWS serves no current Claude in one region only.
			return /^anthropic\./.test(id)
				? [
						`MODEL_NOT_SERVED: bedrock-runtime serves ${id} only through a profile: write global.${id}`,
					]
				: [];
		const isCallable = region === undefined || CALLABLE_FROM[prefix]!.test(region);
		return isCallable
			? []
			: [
					`MODEL_NOT_SERVED: ${region} cannot call ${id}: use a profile with the prefix ${prefixesOf(region).join(" or ")}`,
				];
	});
}

function prefixesOf(region: string): readonly string[] {
	return Object.entries(CALLABLE_FROM)
		.filter(([, regions]) => regions.test(region))
		.map(([prefix]) => `${prefix}.`);
}

/** The model behind a profile; undefined for a model. */
export function modelOfProfile(id: string): string | undefined {
	return PROFILE.exec(id)?.[2];
}

export function modelArns(scope: Construct, ids: readonly string[]): readonly string[] {
	const { partition, region, account } = Stack.of(scope);
	return ids.flatMap((id) => {
		const model = modelOfProfile(id);
		if (model === undefined) return [`arn:${partition}:bedrock:${region}::foundation-model/${id}`];
		return [
			`arn:${partition}:bedrock:${region}:${account}:inference-profile/${id}`,
			// Also covers the ARN without a region, under which AWS checks calls of a global profile.
			`arn:${partition}:bedrock:*::foundation-model/${model}`,
		];
	});
}
