/**
 * Selects the environment variables that the agent gets, by an allow-list. Nobody can list today
 * which variables a later SDK or platform will use to prove this machine's identity.
 *
 * Never passed, whatever is allowed: the sidecar's configuration (`OPENCLAW_SIDECAR_*`) and proofs
 * of an AWS identity (`AWS_*`). Does NOT keep an agent of the same user from reading
 * `/proc/PPID/environ`: run it as another user.
 */

/** A name, or one with a `*` at either end. */
const ALLOWED = [
	// Expected by any program.
	..."PATH HOME USER LOGNAME SHELL TERM COLORTERM LANG LANGUAGE LC_* TZ TMPDIR PWD HOSTNAME XDG_* NO_COLOR FORCE_COLOR CI".split(
		" ",
	),
	// Network access.
	..."HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR".split(
		" ",
	),
	// Settings of Node and OpenClaw.
	..."NODE_ENV NODE_OPTIONS NODE_EXTRA_CA_CERTS NODE_COMPILE_CACHE NODE_DISABLE_COMPILE_CACHE OPENCLAW_*".split(
		" ",
	),
	// Model providers.
	..."*_API_KEY *_API_BASE *_BASE_URL".split(" "),
];

const NEVER = ["OPENCLAW_SIDECAR_*", "AWS_*"];

/** A location, not an identity: needed to call a Bedrock model. Allowed by name only. */
const HARMLESS = ["AWS_REGION", "AWS_DEFAULT_REGION"];

export interface AgentEnvironment {
	readonly env: Readonly<Record<string, string>>;
	/**
	 * Names of the variables that were held back, sorted: for the log, so that nobody has to guess.
	 */
	readonly withheld: readonly string[];
}

/** @param also further names, or `PREFIX_*`, that the operator allows */
export function agentEnvironment(
	from: NodeJS.ProcessEnv,
	also: readonly string[] = [],
): AgentEnvironment {
	const allowed = matcher([...ALLOWED, ...HARMLESS, ...also]);
	const never = matcher(NEVER);
	const harmless = matcher(HARMLESS);
	const env: Record<string, string> = {};
	const withheld: string[] = [];
	for (const [name, value] of Object.entries(from)) {
		if (value === undefined) continue;
		if (allowed(name) && (!never(name) || harmless(name))) env[name] = value;
		else withheld.push(name);
	}
	return { env, withheld: withheld.sort() };
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
	const names = new Set(patterns);
	const starts = patterns
		.filter((pattern) => pattern.endsWith("*"))
		.map((pattern) => pattern.slice(0, -1));
	const ends = patterns
		.filter((pattern) => pattern.startsWith("*"))
		.map((pattern) => pattern.slice(1));
	return (name) =>
		names.has(name) ||
		starts.some((start) => name.startsWith(start)) ||
		ends.some((end) => name.endsWith(end));
}
