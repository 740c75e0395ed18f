/** The environment of a handler. It is read at the first event, so that a test can set it. */

/** @throws Error that names the missing variable, which appears in the function's log */
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

/** Undefined if `text` is not JSON. The parser's message quotes the text, which may be a secret. */
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

/** Caches the value for the life of the function's process; a failure is not cached. */
export function once<T>(make: () => T): () => T {
	let made: { readonly value: T } | undefined;
	return () => {
		made ??= { value: make() };
		return made.value;
	};
}
