/**
 * Feishu has no API that creates an app secret. An operator stages it, and the tenant-token
 * endpoint shows whether it is right.
 */
import { field } from "../channels/channel.ts";
import { askTenantToken } from "../channels/feishu-token.ts";
import { requireProof } from "./proof.ts";
import { merged, type Strategy } from "./strategy.ts";

export const feishu: Strategy = {
	fields: ["app_id", "app_secret", "encrypt_key", "verification_token"],

	propose: (current, staged) => merged(current, staged, "app_id"),

	async test(replacement) {
		await askTenantToken(field(replacement.next, "app_id"), field(replacement.next, "app_secret"));
		await requireProof("feishu", replacement);
	},
};
