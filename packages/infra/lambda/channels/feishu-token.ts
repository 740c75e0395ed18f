/**
 * The token with which an app calls Feishu, obtained with its id and secret, and cached until
 * shortly before it expires.
 */
import { ChannelFailure, call } from "./call.ts";
import { field, type SecretFields } from "./channel.ts";

/** In a token's last 30 minutes, Feishu issues a new one while the old one still works. */
const EARLY_S = 300;

let kept:
	| {
			readonly appId: string;
			readonly appSecret: string;
			readonly token: string;
			readonly untilMs: number;
	  }
	| undefined;

/** @throws ChannelFailure */
export async function tenantToken(secret: SecretFields, nowMs = Date.now()): Promise<string> {
	const [appId, appSecret] = [field(secret, "app_id"), field(secret, "app_secret")];
	if (kept?.appId === appId && kept.appSecret === appSecret && nowMs < kept.untilMs)
		return kept.token;
	const { token, expiresInS } = await askTenantToken(appId, appSecret);
	kept = { appId, appSecret, token, untilMs: nowMs + (expiresInS - EARLY_S) * 1_000 };
	return token;
}

/** Calls Feishu, which proves that the app's secret is right. @throws ChannelFailure */
export async function askTenantToken(
	appId: string,
	appSecret: string,
): Promise<{ readonly token: string; readonly expiresInS: number }> {
	const url = `${feishuUrl()}/open-apis/auth/v3/tenant_access_token/internal`;
	const answer = await call("feishu tenant_access_token", url, {
		app_id: appId,
		app_secret: appSecret,
	});
	const { code, msg, tenant_access_token: token, expire } = answer;
	if (code !== 0 || typeof token !== "string")
		throw new ChannelFailure("feishu tenant_access_token", `code ${code}: ${msg}`);
	return { token, expiresInS: Number(expire) || 0 };
}

export function feishuUrl(): string {
	return process.env.FEISHU_API_URL ?? "https://open.feishu.cn";
}
