/**
 * The channels' secrets in Secrets Manager. Current secrets are cached for a minute.
 *
 * During a rotation two secrets are valid: the current one and the next one. `replacing` returns
 * the latter. It is called only after the current one has failed, at most every 10 s, so that
 * forged requests cannot cost more.
 */
import {
	GetSecretValueCommand,
	ResourceNotFoundException,
	SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { SecretFields } from "../channels/channel.ts";
import { QUICK } from "./aws-limits.ts";
import { isRecord, parseJson } from "./environment.ts";

/**
 * An operator's own label for a version that a rotation takes in. `AWSPENDING` would make Secrets
 * Manager refuse the rotation.
 */
export const STAGED = "STAGED";

export type Stage = "AWSCURRENT" | "AWSPENDING" | typeof STAGED;

const MAX_AGE_MS = 60_000;
const MIN_PAUSE_MS = 10_000;

export class ChannelSecrets {
	readonly #client = new SecretsManagerClient(QUICK);
	readonly #arns: Readonly<Record<string, string>>;
	readonly #current = new Map<
		string,
		{ readonly fields: SecretFields; readonly readAtMs: number }
	>();
	readonly #replacing = new Map<
		string,
		{ readonly versions: readonly SecretFields[]; readonly readAtMs: number }
	>();

	/** @param arns by channel */
	constructor(arns: Readonly<Record<string, string>>) {
		this.#arns = arns;
	}

	has(channel: string): boolean {
		return Object.hasOwn(this.#arns, channel);
	}

	/** @throws Error from Secrets Manager, or if the secret is not a JSON object */
	async current(channel: string, nowMs = Date.now()): Promise<SecretFields> {
		const kept = this.#current.get(channel);
		if (kept !== undefined && nowMs - kept.readAtMs < MAX_AGE_MS) return kept.fields;
		const fields = await readSecret(this.#client, this.#arn(channel), "AWSCURRENT");
		if (fields === undefined) throw new Error(`the secret of ${channel} has no current version`);
		this.#current.set(channel, { fields, readAtMs: nowMs });
		return fields;
	}

	/**
	 * Other secrets that may be valid by now: the current one, read again, and the one that will
	 * replace it.
	 */
	async replacing(channel: string, nowMs = Date.now()): Promise<readonly SecretFields[]> {
		const kept = this.#replacing.get(channel);
		if (kept !== undefined && nowMs - kept.readAtMs < MIN_PAUSE_MS) return kept.versions;
		const before = await this.current(channel, nowMs);
		this.#current.delete(channel);
		const current = await this.current(channel, nowMs);
		const others = await Promise.all(
			[STAGED, "AWSPENDING" as const].map((stage) =>
				readSecret(this.#client, this.#arn(channel), stage as Stage),
			),
		);
		const versions = [
			...(JSON.stringify(before) === JSON.stringify(current) ? [] : [current]),
			...others
				.filter((fields) => fields !== undefined)
				.map((fields) => ({ ...current, ...fields })),
		];
		this.#replacing.set(channel, { versions, readAtMs: nowMs });
		return versions;
	}

	#arn(channel: string): string {
		const arn = this.#arns[channel];
		if (arn === undefined) throw new Error(`CHANNEL_SECRETS names no secret of ${channel}`);
		return arn;
	}
}

/**
 * Undefined if no version has that label, or if Secrets Manager has only reserved it. @throws Error
 */
export async function readSecret(
	client: SecretsManagerClient,
	secretId: string,
	stage: Stage,
	versionId?: string,
): Promise<SecretFields | undefined> {
	let text: string | undefined;
	try {
		const answer = await client.send(
			new GetSecretValueCommand({ SecretId: secretId, VersionStage: stage, VersionId: versionId }),
		);
		text = answer.SecretString;
	} catch (error) {
		if (error instanceof ResourceNotFoundException && stage !== "AWSCURRENT") return undefined;
		throw error;
	}
	const fields = text === undefined ? undefined : parseJson(text);
	if (!isRecord(fields))
		throw new Error(`the ${stage} version of the secret ${secretId} is not a JSON object`);
	return fields;
}
