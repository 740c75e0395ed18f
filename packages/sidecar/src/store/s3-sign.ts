import { createHash, createHmac } from "node:crypto";

/** What signs requests. */
export interface SigningCredentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
}

export interface ToSign {
	readonly method: string;
	/** Encoded. */
	readonly path: string;
	/** Encoded, without `?`, in the order of its names. */
	readonly query: string;
	/** With `host`; names in lower case. All of them are signed. */
	readonly headers: Readonly<Record<string, string>>;
	readonly body: Buffer;
}

/**
 * Signature version 4 for S3, which encodes a path once and never normalises it:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 *
 * @returns all headers to send
 */
export function signed(
	{ method, path, query, headers, body }: ToSign,
	credentials: SigningCredentials,
	region: string,
	nowMs: number,
): Record<string, string> {
	const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
	const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
	const all: Record<string, string> = {
		...headers,
		"x-amz-content-sha256": sha256(body),
		"x-amz-date": time,
		...(credentials.sessionToken && { "x-amz-security-token": credentials.sessionToken }),
	};
	const names = Object.keys(all).sort();
	const canonical = [
		method,
		path,
		query,
		...names.map((name) => `${name}:${all[name]?.trim().replace(/ +/g, " ")}`),
		"",
		names.join(";"),
		all["x-amz-content-sha256"],
	].join("\n");
	const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`;
	const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
	const signature = hmac(key, text).toString("hex");
	const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
	return { ...all, authorization };
}

/** RFC 3986, which leaves only `A-Z a-z 0-9 - _ . ~` as they are. */
export function encoded(text: string): string {
	return encodeURIComponent(text).replace(
		/[!'()*]/g,
		(char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
	);
}

function sha256(data: string | Buffer): string {
	return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
	return createHmac("sha256", key).update(text).digest();
}
