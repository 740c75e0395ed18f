/**
 * Every error a user can meet, in one table: stable code, category, meaning, remedy. Each category
 * has one exit status.
 */
const EXIT_STATUS = {
	bug: 1,
	/** A wrong option, or a machine that cannot do what was requested. */
	usage: 2,
	/** Something is not in the log. */
	"not-durable": 3,
	/** Another writer owns the log. */
	superseded: 4,
	/** An object of the log is missing or wrong. */
	damaged: 5,
	/** Access denied, or refused by the store. */
	refused: 6,
	/** The store does not answer. */
	unreachable: 7,
} as const;

export type ErrorCategory = keyof typeof EXIT_STATUS;

export interface ErrorSpec {
	readonly category: ErrorCategory;
	readonly exitStatus: (typeof EXIT_STATUS)[ErrorCategory];
	readonly meaning: string;
	readonly remedy: string;
}

const spec = (category: ErrorCategory, meaning: string, remedy: string): ErrorSpec => ({
	...{ category, exitStatus: EXIT_STATUS[category] },
	...{ meaning, remedy },
});

export const ERRORS = {
	INTERNAL: spec(
		"bug",
		"an unexpected failure: a bug",
		"report it with the log lines around it; the store is never overwritten, so nothing committed is lost",
	),

	USAGE: spec(
		"usage",
		"the command line or a setting is wrong",
		"correct the named value; --help lists what is accepted",
	),
	NAMESPACE_INVALID: spec(
		"usage",
		"the namespace is not usable as a key prefix",
		"use 1-128 characters of A-Z a-z 0-9 . _ - = @ +, not starting with a dot",
	),
	STORE_URL_INVALID: spec(
		"usage",
		"the store URL is not understood",
		"use file:///absolute/dir or s3://bucket[/prefix]",
	),
	STORE_BUCKET_MISSING: spec(
		"usage",
		"the bucket or store directory does not exist",
		"create it, or correct --store",
	),
	STORE_UNSUPPORTED: spec(
		"usage",
		"the store lacks something the log depends on (create-only PUT, hard links)",
		"use a store with conditional writes (If-None-Match: *), or a local file system with hard links",
	),
	WORKSPACE_NOT_DIRECTORY: spec(
		"usage",
		"there is no workspace directory at this path",
		"point --workspace at a directory, or run `openclaw-sidecar restore` to create one from the log",
	),
	WORKSPACE_READ_ONLY: spec(
		"usage",
		"the workspace cannot be written",
		"check the owner, the mode and the mount of the workspace",
	),
	WORKSPACE_NAME_UNFIT: spec(
		"usage",
		"the file system of the workspace cannot hold a name that the log has",
		"restore to another file system, or rename the file on a machine that can hold it",
	),
	WORKSPACE_DISK_FULL: spec(
		"usage",
		"the disk has no room for the workspace",
		"free space or enlarge the disk, then run again; nothing in the store was touched",
	),
	WORKSPACE_UNREADABLE: spec(
		"usage",
		"the workspace cannot be read",
		"check the owner and the mode of the named path",
	),
	WORKSPACE_NOT_RESTORED: spec(
		"usage",
		"this directory was never restored from the log, so it cannot be committed",
		"run `openclaw-sidecar restore` first, or use another namespace",
	),
	WORKSPACE_BUSY: spec(
		"usage",
		"the workspace, or a file in it, is in use",
		"stop it, or use `status`, `flush`, `undo` and `restore PATH`, which reach a running daemon",
	),
	IGNORE_FILE_UNUSABLE: spec(
		"usage",
		"the ignore file cannot be read, so the sidecar does not know which paths to leave out",
		"make .openclaw-sidecar-ignore a regular text file or a link to one inside the workspace, or remove it",
	),
	STATE_DIR_UNUSABLE: spec(
		"usage",
		"the private state directory cannot be used",
		"point --state-dir at a writable directory outside the workspace with a short path",
	),
	SYSTEM_REFUSED: spec(
		"usage",
		"the operating system refused a call",
		"check the named path, its file system, and the permissions and limits of this process (open files, memory), then run it again",
	),
	COMMIT_NOT_FOUND: spec(
		"usage",
		"no such commit or time in the log",
		"`openclaw-sidecar history` lists what is retained",
	),
	COMMIT_EXPIRED: spec(
		"usage",
		"that commit is past retention: a part of it was deleted",
		"choose a newer commit, or an older one that was kept for its day; `openclaw-sidecar verify` lists what is intact",
	),
	PATH_NOT_FOUND: spec("usage", "there is no such path", "`openclaw-sidecar ls` lists the paths"),
	EXISTING_EXPECTED: spec(
		"usage",
		"the log is empty although --expect existing was given",
		"check --store and --namespace; without the option an empty log means a new user",
	),
	LOG_NOT_EMPTY: spec(
		"usage",
		"the log already holds a workspace; an import must be the first content of a log",
		"import into another --namespace; to see what the log holds use `openclaw-sidecar ls`",
	),
	TARGET_NOT_EMPTY: spec(
		"usage",
		"the export target is not empty",
		"name a new directory or prefix",
	),
	AGENT_NOT_STARTED: spec(
		"usage",
		"the agent command could not be started",
		"check the command after `--`",
	),
	AGENT_SURVIVES: spec(
		"usage",
		"an agent from an earlier openclaw-sidecar still runs on this workspace and cannot be ended",
		"end the named process (`kill -9`, as its user or as root), then run this again; the workspace was not touched",
	),
	REQUEST_INVALID: spec(
		"usage",
		"unsupported request",
		"docs/agentcore.md lists the supported requests",
	),
	NOT_READY: spec(
		"usage",
		"the machine cannot take this request now",
		"send it again after the time in Retry-After",
	),
	AGENT_UNREACHABLE: spec(
		"usage",
		"the agent does not answer as expected",
		"see the agent's own log; check --agent-url and --agent-ready-path",
	),
	TURN_INTERRUPTED: spec(
		"usage",
		"the machine ended while the agent was working on this request",
		"do not repeat the request: the agent continues it when its next machine starts; ask for the result then (with --interrupted-turns end, ask again)",
	),
	MODEL_NOT_SERVED: spec(
		"usage",
		"the provider does not serve this model",
		"check the model's id, and that the region offers it: on bedrock-runtime an id with a prefix such as `global.` is reachable from more regions, bedrock-mantle accepts ids without a prefix only",
	),
	MODEL_REQUEST_REFUSED: spec(
		"usage",
		"the provider refused the agent's request",
		"see the reason; the request was forwarded as the agent wrote it",
	),
	WORKSPACE_TOO_LARGE: spec(
		"not-durable",
		"the workspace exceeds a stated limit of the format",
		"move paths that need not be kept out of the workspace, or ignore them; docs/format.md lists the limits",
	),

	NOT_DURABLE: spec(
		"not-durable",
		"something in the workspace is not durable",
		"keep the disk, correct the named cause and run `openclaw-sidecar flush`",
	),
	SECRET_FOUND: spec(
		"not-durable",
		"a file seems to hold a secret, and --on-secret fail refuses it",
		"move the secret out of the workspace or ignore the file; --on-secret exclude commits everything else, --on-secret warn commits all",
	),
	SOURCE_CHANGED: spec(
		"not-durable",
		"the source changed during the import",
		"nothing was imported; run this again when nothing else writes there",
	),
	SERVICE_NOT_RUNNING: spec(
		"not-durable",
		"the service does not run, so nothing is committed",
		"`openclaw-sidecar service install -- COMMAND` installs and starts it; if it is installed, its journal tells why it ended",
	),
	EXPORT_INCOMPLETE: spec(
		"not-durable",
		"the target cannot hold a part of the tree",
		"export to a directory on a local file system, which can hold all of it; the log is unchanged",
	),
	SUPERSEDED: spec(
		"superseded",
		"another writer owns this workspace now; this writer's bytes were quarantined under .recovered/",
		"stop this writer; `openclaw-sidecar recover` lists what was quarantined and brings it back",
	),

	OBJECT_CORRUPT: spec(
		"damaged",
		"an object of the log is damaged",
		"nothing was applied; keep the bucket as it is and restore an earlier commit with --at; `verify` names all damage, `repair` removes garbage from the newest slots",
	),
	OBJECT_NOT_FOUND: spec(
		"damaged",
		"an object of the log is missing",
		"nothing was applied; check who deletes from the bucket and restore an earlier commit with --at",
	),
	FORMAT_UNKNOWN: spec(
		"damaged",
		"the object was written by a newer release",
		"upgrade openclaw-sidecar",
	),
	TREE_UNSAFE: spec(
		"damaged",
		"the log names a path that must not be written",
		"nothing was written; find out who wrote that commit",
	),
	SOURCE_UNSAFE: spec(
		"damaged",
		"the source cannot become a workspace",
		"nothing was imported or changed; move or rename the named path, then run this again",
	),
	LIMIT_EXCEEDED: spec(
		"damaged",
		"an object declares more than the format allows",
		"nothing was applied; find out who wrote that object",
	),

	STORE_ACCESS_DENIED: spec(
		"refused",
		"the store denied the request",
		"check the credentials and that the policy allows list, get and create-only put below the namespace's prefix",
	),
	STORE_REFUSED: spec(
		"refused",
		"the store refused the request, and a retry will not help; the request stored nothing",
		"correct what the store's code and message name, then run this again; `openclaw-sidecar doctor` tests what the log needs from a store",
	),
	STORE_FULL: spec(
		"refused",
		"the store is full, or its quota is used up; the request stored nothing",
		"free space in the store or raise its quota, and keep this disk; a running daemon commits as soon as there is room",
	),
	IDENTITY_REFUSED: spec(
		"refused",
		"the request does not prove its user's identity",
		"send a current token of the configured issuer and audience, as `Authorization: Bearer`",
	),
	NAMESPACE_FOREIGN: spec(
		"refused",
		"this machine belongs to another user",
		"use one session id per user: a machine serves only its first user",
	),
	MODEL_DENIED: spec(
		"refused",
		"the provider denied the use of the model",
		"request access to the model in the account and region (Amazon Bedrock console, Model access), and allow it to the user's role: docs/iam.md lists the actions",
	),
	MODEL_BUDGET_SPENT: spec(
		"refused",
		"the user's model tokens for today are used up",
		"wait until 00:00 UTC, or raise --model-daily-tokens",
	),
	MODEL_THROTTLED: spec(
		"unreachable",
		"the provider limits the rate of model requests",
		"request a higher quota for the model, or use a cross-region inference profile (`global.`); agents retry by themselves",
	),
	MODEL_UNREACHABLE: spec(
		"unreachable",
		"the model provider does not answer",
		"check --model-upstream, the region and the network; in a VPC the endpoint of the provider",
	),
	ISSUER_UNREACHABLE: spec(
		"unreachable",
		"the keys of the token's issuer could not be read",
		"check --issuer and the network, then send the request again",
	),
	STORE_UNREACHABLE: spec(
		"unreachable",
		"the store could not be reached",
		"check the endpoint, the region and the network; the workspace is untouched, so run again",
	),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * Details that distinguish errors with the same code. Values are shown to users: never pass a
 * secret.
 */
export interface ErrorDetail {
	/** The offending value: a path, a key, an option's value. */
	readonly value?: string;
	/** One clause that tells what is wrong with it. */
	readonly reason?: string;
	/** Overrides the table's remedy if more is known. */
	readonly remedy?: string | undefined;
	readonly cause?: unknown;
}

/**
 * The only error class that crosses a room's border. `message` is for people, `code` for programs.
 */
export class SidecarError extends Error {
	readonly code: ErrorCode;
	readonly value: string | undefined;
	readonly remedy: string;

	constructor(code: ErrorCode, detail: ErrorDetail = {}) {
		const parts: string[] = [ERRORS[code].meaning];
		if (detail.value !== undefined) parts.push(printable(detail.value));
		if (detail.reason !== undefined) parts.push(detail.reason);
		super(parts.join(": "), detail.cause === undefined ? undefined : { cause: detail.cause });
		this.name = "SidecarError";
		this.code = code;
		this.value = detail.value;
		this.remedy = detail.remedy ?? ERRORS[code].remedy;
	}

	get category(): ErrorCategory {
		return ERRORS[this.code].category;
	}

	get exitStatus(): ErrorSpec["exitStatus"] {
		return ERRORS[this.code].exitStatus;
	}
}

/**
 * Converts an operating system's refusal to a SidecarError; undefined for any other error. Node's
 * `rmSync` gives some of them no code, only a message.
 * @param value default: the path that the error names
 */
export function systemRefusal(error: unknown, value?: string): SidecarError | undefined {
	const {
		code,
		errno,
		syscall,
		path,
		message = "",
	} = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
	if (errno === undefined || syscall === undefined) return undefined;
	const named = value ?? path;
	const reason = `${code || (/Unknown error: ([^']+)/.exec(message)?.[1]?.trim() ?? message)} (${syscall})`;
	const isFull = code === "ENOSPC" || code === "EDQUOT";
	const detail = { reason, cause: error, ...(named !== undefined && { value: named }) };
	return new SidecarError(isFull ? "WORKSPACE_DISK_FULL" : "SYSTEM_REFUSED", detail);
}

export function toSidecarError(error: unknown): SidecarError {
	if (error instanceof SidecarError) return error;
	const reason = error instanceof Error ? error.message : String(error);
	return systemRefusal(error) ?? new SidecarError("INTERNAL", { reason, cause: error });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escaping control characters is the point
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

/**
 * Escapes control characters and lone surrogates, so that a hostile name cannot send control codes
 * to a terminal; truncates after `maxLength` characters.
 */
export function printable(text: string, maxLength = 300): string {
	const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
	return shown.replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
