/** The labels of a secret's versions, and how they move. */
import {
	DescribeSecretCommand,
	GetSecretValueCommand,
	PutSecretValueCommand,
	ResourceNotFoundException,
	SecretsManagerClient,
	UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import type { SecretFields } from "../channels/channel.ts";
import { readSecret, STAGED } from "../shared/channel-secrets.ts";
import { isRecord, parseJson } from "../shared/environment.ts";

export class Versions {
	readonly #client = new SecretsManagerClient({});
	readonly #secretId: string;

	constructor(secretId: string) {
		this.#secretId = secretId;
	}

	async current(): Promise<SecretFields> {
		return (await readSecret(this.#client, this.#secretId, "AWSCURRENT")) as SecretFields;
	}

	async staged(): Promise<SecretFields | undefined> {
		return await readSecret(this.#client, this.#secretId, STAGED);
	}

	/** The content of a version; undefined if it has none yet. */
	async read(versionId: string): Promise<SecretFields | undefined> {
		try {
			const { SecretString } = await this.#client.send(
				new GetSecretValueCommand({ SecretId: this.#secretId, VersionId: versionId }),
			);
			const fields = parseJson(SecretString ?? "");
			return isRecord(fields) ? fields : undefined;
		} catch (error) {
			if (error instanceof ResourceNotFoundException) return undefined;
			throw error;
		}
	}

	async isCurrent(versionId: string): Promise<boolean> {
		return (await this.#holder("AWSCURRENT")) === versionId;
	}

	/**
	 * Creates a pending version with that content. If Secrets Manager repeats the step, the version
	 * exists already.
	 */
	async makePending(versionId: string, fields: SecretFields): Promise<void> {
		await this.#client.send(
			new PutSecretValueCommand({
				SecretId: this.#secretId,
				ClientRequestToken: versionId,
				SecretString: JSON.stringify(fields),
				VersionStages: ["AWSPENDING"],
			}),
		);
	}

	async markPending(versionId: string): Promise<void> {
		await this.#move("AWSPENDING", versionId);
	}

	/** Secrets Manager itself labels the former current version AWSPREVIOUS. */
	async promote(versionId: string): Promise<void> {
		await this.#move("AWSCURRENT", versionId);
		await this.drop("AWSPENDING", versionId);
		const staged = await this.#holder(STAGED);
		if (staged !== undefined) await this.drop(STAGED, staged);
	}

	/** Removes the label from that version, if it has it. */
	async drop(label: "AWSPENDING" | typeof STAGED, versionId: string): Promise<void> {
		if ((await this.#holder(label)) !== versionId) return;
		await this.#client.send(
			new UpdateSecretVersionStageCommand({
				SecretId: this.#secretId,
				VersionStage: label,
				RemoveFromVersionId: versionId,
			}),
		);
	}

	async #move(label: "AWSCURRENT" | "AWSPENDING", versionId: string): Promise<void> {
		const holder = await this.#holder(label);
		if (holder === versionId) return;
		await this.#client.send(
			new UpdateSecretVersionStageCommand({
				SecretId: this.#secretId,
				VersionStage: label,
				MoveToVersionId: versionId,
				...(holder !== undefined && { RemoveFromVersionId: holder }),
			}),
		);
	}

	async #holder(label: string): Promise<string | undefined> {
		const { VersionIdsToStages = {} } = await this.#client.send(
			new DescribeSecretCommand({ SecretId: this.#secretId }),
		);
		return Object.entries(VersionIdsToStages).find(([, labels]) => labels.includes(label))?.[0];
	}
}
