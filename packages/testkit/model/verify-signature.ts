/**
 * AWS's signature, version 4, computed from a request as it arrived. Independent of the SDK's own
 * code, which makes it. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface KeyPair {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
}

export interface Scope {
	readonly region: string;
	readonly service: string;
}

const MAX_SKEW_MS = 5 * 60_000;

/**
 * @param known by access key id
 * @returns what is wrong; undefined: nothing
 */
export function signatureProblem(
	request: IncomingMessage,
	body: Buffer,
	scope: Scope,
	known: ReadonlyMap<string, KeyPair>,
): string | undefined {
	const { authorization = "", "x-amz-date": at = "" } = request.headers as Record<string, string>;
	const [, keyId = "", day, region, service, signed = "", signature] =
		/^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
			authorization,
		) ?? [];
	if (signature === undefined) return "no signature";
	const pair = known.get(keyId);
	if (pair === undefined) return "unknown access key";
	if (region !== scope.region || service !== scope.service)
		return `signed for ${service} in ${region}`;
	const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(at) ?? [];
	const skewMs = Math.abs(Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`) - Date.now());
	if (!(skewMs <= MAX_SKEW_MS) || !at.startsWith(String(day))) return "signed at another time";
	const names = signed.split(";");
	const sent = Object.keys(request.headers).filter((name) => name.startsWith("x-amz-"));
	const needed = ["host", "content-type", ...sent];
	const missing = needed.filter((name) => !names.includes(name));
	if (missing.length > 0) return `not signed: ${missing}`;
	if (request.headers["x-amz-security-token"] !== pair.sessionToken) return "wrong session token";
	const bodyHash = sha256(body);
	if (request.headers["x-amz-content-sha256"] !== bodyHash) return "wrong hash of the body";

	const [path = "", query = ""] = (request.url ?? "").split("?");
	const canonical = [
		request.method,
		path.split("/").map(encodeURIComponent).join("/"),
		query.split("&").sort().join("&"),
		...names.map((name) => `${name}:${String(request.headers[name]).trim().replace(/ +/g, " ")}`),
		"",
		signed,
		bodyHash,
	].join("\n");
	const toSign = [
		"AWS4-HMAC-SHA256",
		at,
		`${day}/${region}/${service}/aws4_request`,
		sha256(canonical),
	];
	const key = [day, region, service, "aws4_request"].reduce<Buffer>(
		(above, part) => hmac(above, String(part)),
		Buffer.from(`AWS4${pair.secretAccessKey}`),
	);
	return hmac(key, toSign.join("\n")).toString("hex") === signature ? undefined : "wrong signature";
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
