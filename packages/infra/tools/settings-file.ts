/** Answers are kept where CDK reads them: in `context` of the installation's `cdk.json`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { OWN_BOOTSTRAP } from "../lib/settings/bootstrap.ts";
import { type Context, HOME, withAnswers } from "./installation.ts";

interface File {
	readonly app?: string;
	readonly context?: Context;
}

/** @returns whether the file changed */
export function writeContext(
	directory: string,
	answers: Context,
	environment: string | undefined,
): boolean {
	const path = resolve(directory, "cdk.json");
	const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
	const file = JSON.parse(before ?? "{}") as File;
	const app = `node ${relative(directory, resolve(HOME, "bin/app.ts"))}`;
	const context = withAnswers(
		{ ...(before === undefined && OWN_BOOTSTRAP.context), ...file.context },
		answers,
		environment,
	);
	const { toolkitStackName } = OWN_BOOTSTRAP;
	const all = {
		...(before === undefined && { toolkitStackName }),
		...file,
		app: appOf(file, directory) ?? app,
		context,
	};
	const after = `${JSON.stringify(all, null, "\t")}\n`;
	if (before !== undefined && isSame(before, after)) return false;
	mkdirSync(directory, { recursive: true });
	writeFileSync(path, after);
	return true;
}

/** Undefined if the file names none, or was copied from a place that is elsewhere relative to it. */
function appOf({ app }: File, directory: string): string | undefined {
	const [, path] = /^node (\S*bin\/app\.ts)$/.exec(app ?? "") ?? [];
	return path === undefined || existsSync(resolve(directory, path)) ? app : undefined;
}

/** Formatting alone is no change. */
function isSame(one: string, other: string): boolean {
	return JSON.stringify(JSON.parse(one)) === JSON.stringify(JSON.parse(other));
}
