/**
 * May the account call the model? Third-party models need an agreement, which Bedrock makes at the
 * first call of somebody who may subscribe in AWS Marketplace. A user's session may not, so without it
 * every turn ends with 403. Anthropic also wants a form, once per account (decision 63).
 */
import type { Config } from "../lib/settings/config.ts";
import { modelOfProfile } from "../lib/settings/models.ts";
import type { Account } from "./account-checks.ts";
import { type Check, failed, ok, warning } from "./check.ts";

/** As GetFoundationModelAvailability reports it. */
export interface ModelAccess {
	/** `AVAILABLE`: agreed, or none is needed. */
	readonly agreement: string;
	readonly authorization: string;
	/** Of this region. A model that only profiles serve may not be available here itself. */
	readonly region: string;
}

export async function checkModel(
	id: string,
	{ modelUpstream }: Pick<Config, "modelUpstream">,
	account: Account,
): Promise<Check> {
	const name = `model ${id}`;
	// What AWS reports is about bedrock-runtime.
	if (modelUpstream === "bedrock-mantle")
		return warning(
			name,
			"not checked at bedrock-mantle",
			"look whether AWS lists the model for bedrock-mantle in this region",
		);
	const model = modelOfProfile(id) ?? id;
	const { agreement, authorization, region } = await account.modelAccess(model);
	if (authorization === "NOT_AUTHORIZED")
		return failed(
			name,
			"the account is not authorized",
			"look for a service control policy that denies Amazon Bedrock, and for the account's payment method",
		);
	if (agreement !== "AVAILABLE")
		return failed(
			name,
			`no agreement (${agreement})`,
			`as a principal that may subscribe in AWS Marketplace, open the model once in the playground of Amazon Bedrock's console; for Claude, fill in the form that it shows. By command: \`aws bedrock list-foundation-model-agreement-offers --model-id ${model}\`, then \`aws bedrock create-foundation-model-agreement\``,
		);
	if (region === "NOT_AVAILABLE" && model === id)
		return failed(name, "not in this region", "choose an inference profile, or another model");
	return ok(name, "the account may call it");
}
