/**
 * Several installations, such as dev and prod, from one cdk.json. `openclaw:environments` has a block
 * of settings for each, whose keys have no prefix. `-c openclaw:env=prod` chooses one, as does the
 * variable OPENCLAW_ENV, which commands without `-c` read. What a block has wins over the settings
 * beside it, and over `-c`.
 */

/** Its stack is `OpenClawProd`, unless the block has a `stackName`. */
const NAME = /^[a-z][a-z0-9]{0,19}$/;

export type Settings = Readonly<Record<string, unknown>>;

/**
 * @param settings without their prefix, with `env` and `environments`
 * @throws Error ENVIRONMENT_UNKNOWN
 */
export function chooseEnvironment(
	settings: Settings,
	{ OPENCLAW_ENV }: NodeJS.ProcessEnv,
): Settings {
	const { env = OPENCLAW_ENV, environments = {}, ...common } = settings;
	const blocks = isRecord(environments) ? environments : {};
	const names = Object.keys(blocks);
	if (env === undefined && names.length === 0) return common;
	const block = Object.hasOwn(blocks, String(env)) ? blocks[String(env)] : undefined;
	if (typeof env !== "string" || !NAME.test(env) || !isRecord(block))
		throw new Error(
			`openclaw:env (${JSON.stringify(env)}): ENVIRONMENT_UNKNOWN: ${
				names.length === 0
					? "openclaw:environments in cdk.json has no block of settings"
					: `choose one of ${names.join(", ")}: -c openclaw:env=${names[0]}, or OPENCLAW_ENV=${names[0]}`
			}. docs/deploy.md describes environments.`,
		);
	const { stackName = "OpenClaw" } = common;
	return { ...common, stackName: `${stackName}${capitalised(env)}`, ...block };
}

function capitalised(name: string): string {
	return name.charAt(0).toUpperCase() + name.slice(1);
}

function isRecord(value: unknown): value is Settings {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
