/**
 * The kinds of values of options: how text becomes a value, and how to describe what is accepted.
 */
import { resolve } from "node:path";
import * as z from "zod/mini";

/** The base of a relative path or `~` in a value. */
export interface Place {
	/** Absolute. */
	readonly homeDir: string;
	/**
	 * Absolute: the working directory for flags and environment, the file's own for the config file.
	 */
	readonly baseDir: string;
	/** The value comes from a program, not from a text: a number is a duration in ms. */
	readonly isTyped?: boolean;
}

export interface ValueKind<T> {
	/** Converts the content of a flag, the environment or JSON to the value. */
	schema(place: Place): z.ZodMiniType<T>;
	/** Completes "accepts …". */
	readonly accepts: string;
	/** Names the value in usage lines; undefined for a switch. */
	readonly placeholder: string | undefined;
	/** The flag may be given more than once: the schema then accepts an array of texts. */
	readonly repeats?: boolean;
	readonly choices?: readonly string[];
}

export function choice<const T extends string>(...values: readonly T[]): ValueKind<T> {
	const schema = z.enum(values);
	return {
		schema: () => schema,
		accepts: listed(values),
		placeholder: values.join("|"),
		choices: values,
	};
}

const SWITCH = z.union([
	z.boolean(),
	z.pipe(
		z.enum(["true", "false"]),
		z.transform((text) => text === "true"),
	),
]);

export const onOff: ValueKind<boolean> = {
	schema: () => SWITCH,
	accepts: "true or false",
	placeholder: undefined,
};

export function text(placeholder: string, pattern: RegExp, accepts: string): ValueKind<string> {
	const schema = z.string().check(z.regex(pattern));
	return { schema: () => schema, accepts, placeholder };
}

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000 } as const;

/** @param from minimum, @param to maximum, both as a duration such as `500ms`. */
export function duration(from: string, to: string): ValueKind<number> {
	const [least, most] = [durationMs(from), durationMs(to)];
	const text = z.pipe(z.string(), z.transform(durationMs));
	const typed = z.union([z.pipe(z.number(), z.transform(Math.round)), text]);
	const range = z.number().check(z.gte(least), z.lte(most));
	return {
		schema: ({ isTyped }) => z.pipe(isTyped ? typed : text, range),
		accepts: `a duration from ${from} to ${to}, such as 500ms, 8s or 2m`,
		placeholder: "DURATION",
	};
}

/**
 * ms, rounded; NaN if the text is not a duration. A bare number is not accepted, because its unit
 * is unknown.
 */
function durationMs(value: string): number {
	const [, number, unit] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)$/.exec(value) ?? [];
	return number === undefined
		? Number.NaN
		: Math.round(Number(number) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT]);
}

/**
 * A path of this machine, made absolute. `~` is the home directory; another user's (`~name`) is
 * refused rather than taken literally.
 */
export function path(placeholder: string): ValueKind<string> {
	const wellFormed = z.string().check(z.regex(/^(?!~[^/])[^\0]+$/));
	return {
		schema: ({ homeDir, baseDir }) => {
			const absolute = (value: string) =>
				value === "~" || value.startsWith("~/")
					? resolve(homeDir, `.${value.slice(1)}`)
					: resolve(baseDir, value);
			return z.pipe(wellFormed, z.transform(absolute));
		},
		accepts: "a path, absolute, relative or below ~/",
		placeholder,
	};
}

/**
 * Directories by name: `NAME=DIR,…` or an object, as text or in JSON; repeated as a flag. A
 * directory whose name contains a comma requires the flag or the object.
 */
export const namedDirectories: ValueKind<ReadonlyMap<string, string>> = {
	schema: ({ homeDir }) =>
		z.pipe(
			z.union([
				z.string(),
				z.array(z.string()),
				z.map(z.string(), z.string()),
				z.record(z.string(), z.string()),
			]),
			z.transform((given, context) => {
				const pairs = pairsOf(given);
				const directories = new Map(
					pairs?.map(([name, directory]) => [name, absoluteDirectory(name, directory, homeDir)]),
				);
				if (
					pairs === undefined ||
					directories.size !== pairs.length ||
					[...directories.values()].includes("")
				) {
					context.issues.push({ code: "custom", message: "no named directories", input: given });
				}
				return directories;
			}),
		),
	accepts:
		"NAME=DIR: a name of 1-64 characters of a-z 0-9 . _ -, starting with a letter or digit and given once, and an absolute path",
	placeholder: "NAME=DIR",
	repeats: true,
};

function pairsOf(
	given:
		| string
		| readonly string[]
		| ReadonlyMap<string, string>
		| Readonly<Record<string, string>>,
): (readonly [string, string])[] | undefined {
	if (given instanceof Map) return [...given];
	if (typeof given === "string" && given.startsWith("{")) {
		const parsed = z.record(z.string(), z.string()).safeParse(parsedJson(given));
		return parsed.success ? Object.entries(parsed.data) : undefined;
	}
	if (typeof given !== "string" && !Array.isArray(given)) return Object.entries(given);
	const texts: readonly string[] = typeof given === "string" ? given.split(",") : given;
	return texts.map(
		(each) =>
			[
				each.split("=", 1)[0] ?? "",
				each.includes("=") ? each.slice(each.indexOf("=") + 1) : "",
			] as const,
	);
}

function parsedJson(value: string): unknown {
	try {
		return JSON.parse(value);
	} catch {
		return undefined;
	}
}

/** Empty if invalid. A relative one would be a different directory on every machine. */
function absoluteDirectory(name: string, directory: string, homeDir: string): string {
	if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name) || directory.includes("\0")) return "";
	if (directory === "~" || directory.startsWith("~/"))
		return resolve(homeDir, `.${directory.slice(1)}`);
	return directory.startsWith("/") ? resolve(directory) : "";
}

function listed(values: readonly string[]): string {
	return `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
