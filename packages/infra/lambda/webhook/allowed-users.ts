/**
 * The users who may talk to the agents, and which of them are one person: `["telegram.4711"]`, or
 * `{"telegram.4711": "anna", "slack.T01.U02": "anna"}` if one user writes from several channels.
 * The value is JSON, or the name of an SSM parameter that holds JSON. Changes to the parameter take
 * effect within a minute. By default nobody is allowed.
 */
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { QUICK } from "../aws-limits.ts";
import { isRecord, parseJson } from "../environment.ts";

const MAX_AGE_MS = 60_000;

type Users = ReadonlyMap<string, string>;

export class AllowedUsers {
	readonly #parameter: string | undefined;
	#kept: { readonly users: Users; readonly readAtMs: number } | undefined;

	/** @throws Error for JSON of another shape */
	constructor(setting: string) {
		const isJson = /^\s*[[{]/.test(setting);
		this.#parameter = isJson ? undefined : setting;
		if (isJson) this.#kept = { users: parseUsers(setting), readAtMs: Number.POSITIVE_INFINITY };
	}

	/**
	 * The user's id, from which namespace and session are made; undefined if not allowed. @throws
	 * Error if the parameter cannot be read
	 */
	async find(sender: string, nowMs = Date.now()): Promise<string | undefined> {
		if (this.#kept === undefined || nowMs - this.#kept.readAtMs > MAX_AGE_MS) {
			const { Parameter } = await new SSMClient(QUICK).send(
				new GetParameterCommand({ Name: this.#parameter, WithDecryption: true }),
			);
			this.#kept = { users: parseUsers(Parameter?.Value ?? ""), readAtMs: nowMs };
		}
		return this.#kept.users.get(sender);
	}
}

/** @throws Error */
export function parseUsers(text: string): Users {
	const value = parseJson(text);
	const pairs = Array.isArray(value)
		? value.map((one: unknown) => [one, one])
		: isRecord(value)
			? Object.entries(value)
			: undefined;
	if (pairs === undefined || !pairs.flat().every((one) => typeof one === "string" && one !== ""))
		throw new Error('ALLOWED_USERS must be JSON: ["telegram.4711"], or {"telegram.4711": "anna"}');
	return new Map(pairs as [string, string][]);
}
