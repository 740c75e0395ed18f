/**
 * The patterns of secrets. One row per kind, in the order they are tried.
 *
 * Every pattern is anchored and its repetitions are bounded and never nested. The cost of a match
 * therefore does not depend on a file's content. A kind that looks like ordinary text (a password,
 * an app secret of 32 letters) is found only next to a name that identifies it.
 */

/** The bytes of a token; any other byte ends it. */
const TOKEN = "[A-Za-z0-9_-]";
const END = `(?!${TOKEN})`;

export interface TokenKind {
	readonly kind: string;
	/** The first three bytes it can begin with. The pattern is tried only after one of these. */
	readonly starts: readonly string[];
	/** Matched against the text from the start of a run of token bytes. */
	readonly pattern: RegExp;
}

/** @param starts three bytes each, between spaces */
function token(kind: string, starts: string, pattern: string, flags = ""): TokenKind {
	return { kind, starts: starts.split(" "), pattern: new RegExp(`^(?:${pattern})`, flags) };
}

/** Formats as documented by their issuers, and as known to gitleaks and secretlint. */
export const TOKEN_KINDS: readonly TokenKind[] = [
	token("aws-access-key-id", "AKI ASI", `A[KS]IA[A-Z0-9]{16}${END}`),
	token(
		"aws-secret-access-key",
		"aws AWS",
		`aws_secret_access_key["']{0,2}\\s{0,4}[:=]\\s{0,4}["']{0,2}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])`,
		"i",
	),
	token(
		"github-token",
		"ghp gho ghu ghs ghr git",
		`gh[pousr]_[A-Za-z0-9]{36,255}${END}|github_pat_[A-Za-z0-9_]{60,255}${END}`,
	),
	token(
		"gitlab-token",
		"glp gld glr gls gla glc glf gli glo",
		`gl(?:pat|ptt|dt|rt|soat|agent|cbt|ft|imt|oas)-${TOKEN}{20,255}${END}`,
	),
	token(
		"slack-token",
		"xox xap",
		`xox[abcdeoprs]-[A-Za-z0-9-]{15,255}${END}|xapp-\\d-[A-Za-z0-9-]{15,255}${END}`,
	),
	token("anthropic-key", "sk-", `sk-ant-[a-z]{3,12}\\d{2}-${TOKEN}{20,255}`),
	token("openrouter-key", "sk-", `sk-or-v1-[0-9a-f]{64}${END}`),
	token(
		"openai-key",
		"sk-",
		`sk-(?:proj|svcacct|admin)-${TOKEN}{20,255}|sk-[A-Za-z0-9]{32,64}${END}`,
	),
	token("stripe-key", "sk_ rk_", `[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}${END}`),
	token("google-api-key", "AIz", `AIza${TOKEN}{35}${END}`),
	token("google-oauth-secret", "GOC", `GOCSPX-${TOKEN}{28}${END}`),
	token("npm-token", "npm", `npm_[A-Za-z0-9]{36}${END}`),
	token("pypi-token", "pyp", `pypi-AgE${TOKEN}{50,255}`),
	token("huggingface-token", "hf_", `hf_[A-Za-z0-9]{34,40}${END}`),
	// Header and start of the payload; the rest may have any length.
	token("jwt", "eyJ", `eyJ${TOKEN}{10,400}\\.eyJ${TOKEN}{16}`),
];

/** `{8-10 digits}:{35 token bytes}`: the search finds the second half as a run. */
export const TELEGRAM = {
	kind: "telegram-bot-token",
	before: /(?:^|\D)(\d{8,10}):$/,
	pattern: new RegExp(`^AA${TOKEN}{33}${END}`),
} as const;

export const PRIVATE_KEY = {
	kind: "private-key",
	/** In every such header, and rarely elsewhere. */
	mark: "PRIVATE KEY",
	/** The text before the mark. */
	before: /-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP) )?$/,
	/** The text after it: the header alone is code that looks for keys, not a key. */
	after: /^(?: BLOCK)?-----(?!-)[^-]{0,160}?[A-Za-z0-9+/]{24}/,
} as const;

/** A long random value with a name that calls it a secret. */
export const ASSIGNED = {
	kind: "assigned-secret",
	before:
		/(?:secret|token|passw(?:or)?d|api[_-]?key|private[_-]?key|access[_-]?key)["']?\s{0,4}[:=]\s{0,4}(?:Bearer )?["']?$/i,
	minBytes: 24,
} as const;

/** All kinds, for documentation. */
export const SECRET_KINDS: readonly string[] = [
	...TOKEN_KINDS.map(({ kind }) => kind),
	TELEGRAM.kind,
	PRIVATE_KEY.kind,
	ASSIGNED.kind,
];
