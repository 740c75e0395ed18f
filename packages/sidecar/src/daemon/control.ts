/**
 * A socket in the private state directory. It shows that a daemon owns a workspace, and lets
 * `status` and `flush` reach that daemon. A socket rather than a pid file: a socket answers or does
 * not, while any process may have a recorded pid.
 */
import { hash } from "node:crypto";
import { chmodSync, linkSync, renameSync, rmSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { basename, join } from "node:path";
import { ERRORS, type ErrorCode, SidecarError, systemRefusal } from "../errors.ts";
import { humanDuration } from "../telemetry/format.ts";
import { makeDirectories } from "../workspace/make-directories.ts";

/** Requests that a running daemon answers. Each answer is one JSON object. */
export interface ControlHandlers {
	status(): Promise<object>;
	/** @param what `{ store, deletionsAreMeant }`, but from another process */
	flush(what: unknown): Promise<object>;
	/**
	 * Removes entries from `.recovered/` that were dealt with. @param what like `dropQuarantined`,
	 * but from another process
	 */
	drop(what: unknown): Promise<object>;
	/**
	 * Brings single paths to an earlier commit and commits that. @param what like `putBackNow`, but
	 * from another process
	 */
	restore(what: unknown): Promise<object>;
}

export type ControlVerb = keyof ControlHandlers;

const VERBS: ReadonlySet<string> = new Set<ControlVerb>(["status", "flush", "drop", "restore"]);
const MAX_BODY_BYTES = {
	/** The store's address, which may be a path. */
	flush: 16 * 1024,
	/** A path of 4,096 bytes, each of which may be escaped, and a writer's name. */
	drop: 64 * 1024,
	/** As many paths as a command line has room for. */
	restore: 4 * 1024 * 1024,
} as const;

const STATUS_TIMEOUT_MS = 5_000;

/** sun_path has 108 bytes, the last one NUL. */
const MAX_SOCKET_BYTES = 107;
/** Room for `.{pid}`, with up to seven digits. */
const ASIDE_BYTES = 8;

/** One socket per workspace, whatever the store: two daemons must not manage one directory. */
export function controlPath(stateDir: string, workspace: string): string {
	const path = join(stateDir, `${hash("sha256", workspace, "hex").slice(0, 16)}.sock`);
	if (Buffer.byteLength(path) + ASIDE_BYTES > MAX_SOCKET_BYTES) {
		throw new SidecarError("STATE_DIR_UNUSABLE", {
			value: stateDir,
			reason: `a socket's path may have ${MAX_SOCKET_BYTES - ASIDE_BYTES} bytes, ${path} is longer`,
		});
	}
	return path;
}

export interface Control {
	close(): Promise<void>;
}

/**
 * Claims the workspace for this process. @throws SidecarError WORKSPACE_BUSY, STATE_DIR_UNUSABLE
 */
export async function takeControl(
	stateDir: string,
	workspace: string,
	handlers: ControlHandlers,
): Promise<Control> {
	const path = controlPath(stateDir, workspace);
	const unusable = (cause: unknown) =>
		new SidecarError("STATE_DIR_UNUSABLE", {
			value: stateDir,
			reason: (cause as NodeJS.ErrnoException).code ?? String(cause),
			cause,
		});
	try {
		makeDirectories(stateDir);
	} catch (cause) {
		throw unusable(cause);
	}
	const startedMs = Date.now();
	const holder = {
		command: basename(process.argv[1] ?? process.execPath).replace(/\.m?js$/, ""),
		startedMs,
	};
	const told = { ...handlers, status: async () => ({ ...holder, ...(await handlers.status()) }) };
	for (let attempt = 0; attempt < 3; attempt++) {
		const server = serve(told);
		const problem = await listen(server, path);
		if (problem === undefined) {
			chmodSync(path, 0o600);
			const close = () =>
				new Promise<void>((resolve) => {
					server.close(() => resolve());
					server.closeIdleConnections();
				});
			return { close };
		}
		if (problem.code !== "EADDRINUSE") throw unusable(problem);
		const found = await answeringHolder(path);
		if (found !== undefined) throw busy(workspace, found);
		await removeStale(path, workspace);
	}
	throw new SidecarError("WORKSPACE_BUSY", { value: workspace, reason: "others keep taking it" });
}

/**
 * Its owner was killed. The socket is moved aside and asked again there: in between, another
 * starter may have put its own socket in this place.
 */
async function removeStale(path: string, workspace: string): Promise<void> {
	const aside = `${path}.${process.pid}`;
	try {
		renameSync(path, aside);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
		throw error;
	}
	const holder = await answeringHolder(aside);
	if (holder !== undefined) linkSync(aside, path);
	rmSync(aside, { force: true });
	if (holder !== undefined) throw busy(workspace, holder);
}

/**
 * Asks the daemon that owns a workspace; undefined if there is none.
 * @throws SidecarError as thrown by the daemon; WORKSPACE_BUSY if it does not answer
 */
export async function askDaemon(
	stateDir: string,
	workspace: string,
	verb: ControlVerb,
	body?: object,
): Promise<object | undefined> {
	const text = await ask(controlPath(stateDir, workspace), verb, body);
	if (text === undefined) return undefined;
	const answer = JSON.parse(text) as object & { readonly error?: Revivable };
	if (answer.error !== undefined) throw revived(answer.error);
	return answer;
}

interface Revivable {
	readonly code: string;
	readonly message: string;
	readonly remedy?: string;
}

/** The error that another process threw, with its own message. */
function revived({ code, message, remedy }: Revivable): SidecarError {
	const error = new SidecarError(
		code in ERRORS ? (code as ErrorCode) : "INTERNAL",
		remedy === undefined ? {} : { remedy },
	);
	error.message = message;
	return error;
}

/** What the owner of a workspace tells about itself, if it answers. Any release may answer. */
export interface Holder {
	readonly pid?: number;
	/** The program, without its arguments, which may hold secrets. */
	readonly command?: string;
	/** When it took the workspace. */
	readonly startedMs?: number;
	readonly phase?: string;
}

/** A stopped or hanging daemon still owns the workspace. */
async function answeringHolder(path: string): Promise<Holder | undefined> {
	try {
		const text = await ask(path, "status");
		return text === undefined ? undefined : (JSON.parse(text) as Holder);
	} catch (error) {
		if (error instanceof SidecarError && error.code === "WORKSPACE_BUSY") return {};
		throw error;
	}
}

/** What commands call themselves while they own a workspace for a moment. */
const ONE_SHOT_PHASES: ReadonlySet<string> = new Set(["restoring", "flushing", "recovering"]);

function busy(workspace: string, holder: Holder): SidecarError {
	const { pid, phase = "" } = holder;
	const remedy =
		pid === undefined
			? undefined
			: ONE_SHOT_PHASES.has(phase)
				? "wait until it ends, then run this again"
				: `stop it (\`kill ${pid}\`), or use \`status\`, \`flush\`, \`undo\` and \`restore PATH\`, which reach a running daemon`;
	return new SidecarError("WORKSPACE_BUSY", {
		value: workspace,
		reason: holderWords(holder),
		remedy,
	});
}

/** `process 4711 (openclaw-sidecar, serving) has owned it for 3 min 20 s`. */
export function holderWords({ pid, command, startedMs, phase }: Holder): string {
	if (pid === undefined) return "its owner does not answer";
	const about = [command, phase].filter((word) => word !== undefined).join(", ");
	const since =
		startedMs === undefined
			? "owns it"
			: `has owned it for ${humanDuration(Math.max(0, Date.now() - startedMs))}`;
	return `process ${pid}${about === "" ? "" : ` (${about})`} ${since}`;
}

async function ask(
	socketPath: string,
	verb: ControlVerb,
	body?: object,
): Promise<string | undefined> {
	return await new Promise((resolve, reject) => {
		const call = request(
			{ socketPath, agent: false, method: "POST", path: `/${verb}` },
			(response) => {
				let text = "";
				response.setEncoding("utf8");
				response.on("data", (part: string) => {
					text += part;
				});
				response.on("end", () => resolve(text));
				response.on("error", reject);
			},
		);
		// A flush may take any time; a status is available immediately.
		if (verb === "status") {
			call.setTimeout(STATUS_TIMEOUT_MS, () => {
				reject(
					new SidecarError("WORKSPACE_BUSY", {
						value: socketPath,
						reason: `its holder did not answer within ${STATUS_TIMEOUT_MS} ms`,
					}),
				);
				call.destroy();
			});
		}
		call.on("error", (error: NodeJS.ErrnoException) => {
			if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ECONNRESET")
				resolve(undefined);
			else
				reject(
					new SidecarError("STATE_DIR_UNUSABLE", {
						value: socketPath,
						reason: error.code ?? error.message,
						cause: error,
					}),
				);
		});
		call.end(body === undefined ? undefined : JSON.stringify(body));
	});
}

function serve(handlers: ControlHandlers): Server {
	return createServer(async (incoming, response) => {
		const answer = (status: number, body: object) =>
			response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
		const verb = incoming.url?.slice(1) ?? "";
		if (incoming.method !== "POST" || !VERBS.has(verb)) {
			answer(404, {
				error: {
					code: "USAGE",
					message: `POST one of ${[...VERBS].map((each) => `/${each}`).join(", ")}`,
				},
			});
			return;
		}
		try {
			answer(200, await handle(handlers, verb as ControlVerb, incoming));
		} catch (error) {
			const known = error instanceof SidecarError ? error : systemRefusal(error);
			const told =
				known === undefined
					? { code: "INTERNAL", message: String(error) }
					: { code: known.code, message: known.message, remedy: known.remedy };
			answer(500, { error: told });
		}
	});
}

async function handle(
	handlers: ControlHandlers,
	verb: ControlVerb,
	incoming: AsyncIterable<Buffer>,
): Promise<object> {
	if (verb === "status") return await handlers.status();
	let text = "";
	for await (const part of incoming) {
		text += part.toString();
		if (text.length > MAX_BODY_BYTES[verb])
			throw new SidecarError("USAGE", {
				value: verb,
				reason: `more than ${MAX_BODY_BYTES[verb]} bytes`,
			});
	}
	return await handlers[verb](text === "" ? undefined : JSON.parse(text));
}

async function listen(server: Server, path: string): Promise<NodeJS.ErrnoException | undefined> {
	return await new Promise((resolve) => {
		server.once("error", resolve);
		server.listen(path, () => resolve(undefined));
	});
}
