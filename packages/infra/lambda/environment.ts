/**
 * What a handler is told by its environment; read when the first event comes, so that a test can
 * set it.
 */

/** @throws Error naming what is missing, which shows in the function's log */
export function required(name: string, env: NodeJS.ProcessEnv = process.env): string {
	const value = env[name];
	if (value === undefined || value === "")
		throw new Error(`the environment lacks ${name}: set it on the function`);
	return value;
}

/** A JSON object of strings, e.g. `CHANNEL_SECRETS`. @throws Error */
export function requiredStrings(
	name: string,
	env: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, string>> {
	const value = parseJson(required(name, env));
	if (!isRecord(value) || !Object.values(value).every((one) => typeof one === "string"))
		throw new Error(
			`${name} must be a JSON object of strings, for example {"slack": "arn:aws:secretsmanager:…"}`,
		);
	return value as Record<string, string>;
}

/**
 * Undefined where `text` is no JSON: its parser's message quotes the text, which may be somebody's
 * secret.
 */
export function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same value for as long as the function's process lives; a failure is not kept. */
export function once<T>(make: () => T): () => T {
	let made: { readonly value: T } | undefined;
	return () => {
		made ??= { value: make() };
		return made.value;
	};
}
