/** Stores a channel's secret, and starts the rotation that sets its webhook. */
import { setTimeout as wait } from "node:timers/promises";
import {
	DescribeSecretCommand,
	GetSecretValueCommand,
	PutSecretValueCommand,
	ResourceNotFoundException,
	RotateSecretCommand,
	SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { SecretFields } from "./channel-setup.ts";
import { ToolError } from "./tool-error.ts";

/** Four steps of at most two minutes each. */
const ROTATION_MS = 480_000;
const PAUSE_MS = 2_000;

export class ChannelSecretStore {
	readonly #client: SecretsManagerClient;
	readonly #pauseMs: number;

	constructor(region: string, pauseMs = PAUSE_MS) {
		this.#client = new SecretsManagerClient({ region });
		this.#pauseMs = pauseMs;
	}

	/** Empty if nothing was stored yet. */
	async read(name: string): Promise<SecretFields> {
		try {
			const { SecretString = "{}" } = await this.#client.send(
				new GetSecretValueCommand({ SecretId: name }),
			);
			const value = JSON.parse(SecretString) as Record<string, unknown>;
			return Object.fromEntries(
				Object.entries(value).filter(
					(pair): pair is [string, string] => typeof pair[1] === "string" && pair[0] !== "unused",
				),
			);
		} catch (error) {
			if (error instanceof ResourceNotFoundException) return {};
			throw error;
		}
	}

	async write(name: string, fields: SecretFields): Promise<void> {
		await this.#client.send(
			new PutSecretValueCommand({ SecretId: name, SecretString: JSON.stringify(fields) }),
		);
	}

	/** Rotates, and waits until the new version is current. @throws ToolError ROTATION_FAILED */
	async rotate(name: string): Promise<void> {
		const { VersionId = "" } = await this.#client.send(new RotateSecretCommand({ SecretId: name }));
		for (const deadline = Date.now() + ROTATION_MS; Date.now() < deadline; ) {
			const { VersionIdsToStages = {} } = await this.#client.send(
				new DescribeSecretCommand({ SecretId: name }),
			);
			const stages = VersionIdsToStages[VersionId] ?? [];
			if (stages.includes("AWSCURRENT")) return;
			// A failed step takes its label back.
			if (!stages.includes("AWSPENDING")) break;
			await wait(this.#pauseMs);
		}
		throw new ToolError(
			"ROTATION_FAILED",
			`the rotation of ${name} did not finish`,
			`look at the log of the channel's rotation function, correct the secret, then run this command again`,
		);
	}
}
