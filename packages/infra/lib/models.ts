/**
 * Bedrock's names for callable models: a model, or a profile that forwards a call to a model in one
 * of several regions.
 */
import { Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";

/**
 * `eu.anthropic.claude-…`, `global.amazon.nova-…`: a profile. Without the prefix: a model of this
 * region.
 */
const PROFILE = /^(?:global|us|us-gov|eu|apac|jp|au|ca)\.(.+)$/;

/** The model behind a profile; undefined for a model. */
export function modelOfProfile(id: string): string | undefined {
	return PROFILE.exec(id)?.[1];
}

export function modelArns(scope: Construct, ids: readonly string[]): readonly string[] {
	const { partition, region, account } = Stack.of(scope);
	return ids.flatMap((id) => {
		const model = modelOfProfile(id);
		if (model === undefined) return [`arn:${partition}:bedrock:${region}::foundation-model/${id}`];
		return [
			`arn:${partition}:bedrock:${region}:${account}:inference-profile/${id}`,
			`arn:${partition}:bedrock:*::foundation-model/${model}`,
		];
	});
}
