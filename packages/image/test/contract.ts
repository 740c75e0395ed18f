/** AgentCore's side of the contract: what the platform asks a container on this machine's network. */
import { setTimeout as delay } from "node:timers/promises";
import type { OidcS3Server } from "../../testkit/store/oidc-s3-server.ts";
import type { Container } from "./container.ts";

const URL = "http://127.0.0.1:8080";
/** OpenClaw starts in 10 to 60 s, depending on the machine's load. */
export const TIMEOUT_MS = 5 * 60_000;

/** The variables that `packages/infra` gives a machine, and where the fake of S3 is. */
export function machineVariables(
	{ issuer, roleArn, bucket, server }: OidcS3Server,
	settings: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
	const own = {
		STORE: `s3://${bucket}`,
		REGION: server.region,
		ENDPOINT: server.endpoint,
		IDENTITY: "web-identity",
		ISSUER: issuer.url,
		AUDIENCE: issuer.audience,
		ROLE_ARN: roleArn,
		...settings,
	};
	return {
		...Object.fromEntries(
			Object.entries(own).map(([name, value]) => [`OPENCLAW_SIDECAR_${name}`, value]),
		),
		AWS_REGION: server.region,
		AWS_ENDPOINT_URL_STS: server.endpoint,
	};
}

export async function invoke(body: object, token: string): Promise<Response> {
	return await fetch(`${URL}/invocations`, {
		method: "POST",
		headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(TIMEOUT_MS),
	});
}

export async function ask(prompt: string, token: string): Promise<string> {
	const response = await invoke({ prompt }, token);
	const { response: text, code } = (await response.json()) as {
		readonly response?: string;
		readonly code?: string;
	};
	return text ?? `${response.status} ${code}`;
}

export async function ping(): Promise<string | undefined> {
	const answer = await fetch(`${URL}/ping`).catch(() => undefined);
	return answer?.ok ? ((await answer.json()) as { readonly status: string }).status : undefined;
}

/** @throws Error if the container ends first */
export async function untilPinged(vm: Container): Promise<void> {
	while ((await ping()) !== "Healthy") {
		if (vm.process.exit !== undefined) throw new Error(`the container ended\n${vm.process.tail}`);
		await delay(5);
	}
}
