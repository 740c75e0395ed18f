/**
 * The commands `/undo`, `/history` and `/restore` of a chat, run while the agent runs.
 *
 * Only files of people and agents: what is OpenClaw's own, with its secrets and databases, is
 * neither shown nor touched. No content of a file is ever part of an answer.
 *
 * A command that arrives twice does nothing the second time: `/undo` leaves a path that changed
 * since the turn, also by an undo, and `/restore` brings a named version back.
 */
import { readLog } from "../commit/read-log.ts";
import { ownTree } from "../commit/roots-in-tree.ts";
import type { Serving } from "../daemon/daemon.ts";
import type { FlushReport } from "../daemon/requests.ts";
import { printable, SidecarError, toSidecarError } from "../errors.ts";
import type { AboutTurns } from "../history/about-turns.ts";
import {
	type CommitChanges,
	type CommitChangesOptions,
	commitChanges,
} from "../history/commit-changes.ts";
import { readEarlier } from "../history/expired.ts";
import { findPath } from "../history/inspect.ts";
import { lastChange } from "../history/last-change.ts";
import { type PathChange, pathHistory } from "../history/path-history.ts";
import { resolveAt } from "../history/resolve-at.ts";
import { summarise } from "../history/summarise.ts";
import { MAX_COMMITS } from "../history/turn-changes.ts";
import { turnWords } from "../history/turn-words.ts";
import { isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import type { OwnCommand } from "../openclaw/commands.ts";
import { joinPath } from "../path.ts";
import type { RestoreChange } from "../restore/planned-changes.ts";
import { ownersPlace } from "../session/undo-turn.ts";
import type { ObjectStore } from "../store/port.ts";
import { ago, count, humanBytes } from "../telemetry/format.ts";
import { nearestPath } from "./nearest-path.ts";
import type { OpenWorkspace } from "./options.ts";

/** Rows, or files, of one answer. */
const MAX_SHOWN = 10;
/** Where OpenClaw's agent works unless its configuration says otherwise. */
const WORKPLACE = "workspace";

/**
 * @param conversation the key of the conversation that `/undo` is about
 * @returns the answer, also to a failure
 */
export async function runChatCommand(
	opened: OpenWorkspace,
	serving: Serving | undefined,
	{ name, rest }: OwnCommand,
	conversation: string | undefined,
): Promise<string> {
	try {
		if (serving === undefined)
			throw new SidecarError("NOT_READY", { reason: "the machine starts" });
		if (name === "history") return await history(opened, rest);
		if (name === "restore") return await restore(opened, serving, rest);
		if (rest !== "" || conversation === undefined)
			throw new Refusal("it takes no words. For one file there is `/restore FILE`");
		return await undo(opened, serving, conversation);
	} catch (error) {
		if (error instanceof Refusal) return `\`/${name}\` did nothing: ${error.message}.`;
		return failed(opened, name, toSidecarError(error));
	}
}

/** What the person who asked can change. The message is a clause. */
class Refusal extends Error {}

/** What only an operator can mend says no more than its code: its message may name places. */
function failed({ logger }: OpenWorkspace, command: string, error: SidecarError): string {
	logger[error.code === "INTERNAL" ? "error" : "warn"]("agent.command-failed", { command, error });
	return error.category === "usage"
		? `\`/${command}\` failed (${error.code}): ${error.message}.`
		: `\`/${command}\` failed (${error.code}). Please try again later. If it fails again, tell the person who runs this bot.`;
}

async function undo(
	{ logger }: OpenWorkspace,
	serving: Serving,
	conversation: string,
): Promise<string> {
	const done = await serving.undoTurn(conversation);
	if (done === undefined)
		return `There is nothing to take back: no turn of this conversation began in the last ${count(MAX_COMMITS, "commit")}.`;
	const { turn, left, at, changes, flushed } = done;
	logger.info("turn.undone", { at, changes: changes.length, left: left.length });
	const when = ago(Date.now() - turn.startedMs);
	const what = `${turn.text === undefined ? "Your last message" : code(turn.text)} (${when})`;
	const files = changes.filter(({ type, kind }) => type !== "dir" && kind !== "time");
	return [
		files.length === 0
			? `Nothing to take back: ${what} changed no file that is still as it left it.`
			: `${what} changed ${count(files.length, "file")}, now taken back:`,
		...list(files, ({ path, kind }) => `${code(path)} ${UNDONE[kind]}`),
		...(left.length === 0 ? [] : ["Left as they are:"]),
		...list(left, ({ path, reason }) => `${code(path)}: ${reason}`),
		...notSaved(flushed),
		"Not taken back: this conversation, which your agent still remembers, and its databases. `/history` shows what changed, and `/restore FILE NUMBER` brings a version back.",
	].join("\n");
}

const UNDONE: Readonly<Record<RestoreChange["kind"], string>> = {
	added: "is back",
	changed: "is as before",
	removed: "is gone",
	time: "has its time again",
};

async function history(opened: OpenWorkspace, file: string): Promise<string> {
	const { store, root, signal } = opened;
	const { head } = await readLog(store, { signal });
	const options = { from: head.seq, after: Math.max(0, head.seq - MAX_COMMITS), signal };
	if (file !== "")
		return await versions(store, await pathOf(opened, ownTree(head.tree, root), file), options);
	const rows: string[] = [];
	for await (const item of commitChanges(store, options)) {
		const row = item.type === "commit" ? rowOf(item, opened) : undefined;
		if (row !== undefined) rows.push(row);
		if (rows.length === MAX_SHOWN) break;
	}
	return rows.length === 0
		? `No file has changed in the last ${count(MAX_COMMITS, "commit")}.`
		: [...rows, "`/history FILE` shows the versions of one file."].join("\n");
}

function rowOf(item: CommitChanges, opened: OpenWorkspace): string | undefined {
	const paths = item.differences
		.filter((each) => !isTouchedDirectory(each) && entryOf(each).type !== "dir")
		.map((each) => each.path)
		.filter((path) => ownersPlace(path, opened.profile) !== undefined);
	if (paths.length === 0) return undefined;
	return row(item.info.seq, item.timeMs, [
		`${count(paths.length, "file")}: ${code(summarise(paths, shown))}`,
		...about(item),
	]);
}

/** The newest versions of a file, or of those in a directory, with the numbers for `/restore`. */
async function versions(
	store: ObjectStore,
	path: Path,
	options: CommitChangesOptions,
): Promise<string> {
	const rows: string[] = [];
	const selects = (each: Path) => each === path || each.startsWith(`${path}/`);
	for await (const item of pathHistory(store, selects, options)) {
		if (item.type !== "change") continue;
		const below = item.path === path ? [] : [code(item.path)];
		rows.push(row(item.seq, item.timeMs, [changeOf(item), ...below, ...about(item)]));
		if (rows.length === MAX_SHOWN) break;
	}
	return rows.length === 0
		? `${code(path)} has not changed in the last ${count(MAX_COMMITS, "commit")}.`
		: [`Versions of ${code(path)}:`, ...rows, "`/restore FILE NUMBER` brings one back."].join("\n");
}

function changeOf({ kind, after }: PathChange): string {
	const size = after?.type === "file" ? `, ${humanBytes(after.size)}` : "";
	return `${kind === "there" ? "the oldest that is left" : kind === "metadata" ? "mode or time" : kind}${size}`;
}

function about(item: AboutTurns): string[] {
	const words = turnWords(item);
	return words === "" ? [] : [code(words)];
}

const row = (seq: number, timeMs: number, parts: readonly string[]) =>
	`- \`${seq}\` · ${ago(Date.now() - timeMs)} · ${parts.join(" · ")}`;

async function restore(opened: OpenWorkspace, serving: Serving, rest: string): Promise<string> {
	const { store, root, signal } = opened;
	if (rest === "")
		throw new Refusal(
			"it needs a file. `/restore FILE` brings a deleted file back, `/restore FILE NUMBER` a version that `/history FILE` lists, `/restore FILE yesterday 18:00` that of a time (UTC)",
		);
	const { head } = await readLog(store, { signal });
	const now = ownTree(head.tree, root);
	const { file, when } = fileAndWhen(rest, (typed) => inTree(now, typed) !== undefined);
	const path = await pathOf(opened, now, file);
	if (when === undefined && now.has(path))
		throw new Refusal(
			`${code(path)} is there, and you do not say which version you want. \`/history FILE\` lists them`,
		);
	const at = when === undefined ? await lastWith(opened, path) : await commitOf(opened, when);
	const then = await readEarlier(
		store,
		at,
		async () => ownTree((await readLog(store, { at, signal })).head.tree, root),
		signal,
	);
	const entries = [now.get(path), then.get(path)].filter((entry) => entry !== undefined);
	if (!then.has(path)) throw new Refusal(`${code(path)} is not in commit ${at}`);
	if (entries.some(({ type }) => type === "dir"))
		throw new Refusal(`${code(path)} is a directory, and it takes one file`);
	if (entries.some(isDatabase))
		throw new Refusal(`${code(path)} is a database, which the agent may open at any moment`);
	const { changes, flushed } = await serving.putBack({ at, paths: [path] });
	return [
		changes.length === 0
			? `${code(path)} is already as in commit ${at}.`
			: `${code(path)} is as in commit ${at} again. \`/history FILE\` lists the version that it replaces as well.`,
		...notSaved(flushed),
	].join("\n");
}

/** The last commit that has a file which is gone now. */
async function lastWith({ store, signal }: OpenWorkspace, path: Path): Promise<number> {
	const removal = await lastChange(store, (each) => each === path, signal);
	if (removal !== undefined) return removal.before;
	throw new Refusal(`no commit that is left has ${code(path)}`);
}

async function commitOf({ store, signal }: OpenWorkspace, when: string): Promise<number> {
	try {
		return await resolveAt(store, when, signal);
	} catch (error) {
		if (!(error instanceof SidecarError) || error.category !== "usage") throw error;
		throw new Refusal(
			`${code(when)} names no version. Use a number that \`/history FILE\` lists, or a time in UTC such as \`yesterday 18:00\``,
		);
	}
}

const isDatabase = (entry: Entry) => entry.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS;

function notSaved({ superseded, deferred }: FlushReport): string[] {
	if (superseded)
		return ["Another machine took over meanwhile: this change may not be kept. Please look again."];
	return deferred.length === 0
		? []
		: [`Not saved yet, and tried again: ${count(deferred.length, "file")}.`];
}

/**
 * The path of the log that a person means, also if no file is there any more.
 * @throws Refusal
 */
async function pathOf(opened: OpenWorkspace, now: Tree, typed: string): Promise<Path> {
	const path = inTree(now, typed) ?? (await inHistory(opened, typed));
	if (path === undefined)
		throw new Refusal(`no commit has ${code(typed)}${nearestPath(now.keys(), typed)}`);
	if (ownersPlace(path, opened.profile) === undefined)
		throw new Refusal(
			`${code(path)} belongs to the agent's own state, which may hold secrets. The person who runs this bot can restore it`,
		);
	return path;
}

function inTree(tree: Tree, typed: string): Path | undefined {
	return placesOf(typed)
		.map((each) => findPath(tree, each))
		.find((path) => path !== undefined && path !== "");
}

async function inHistory(
	{ store, signal }: OpenWorkspace,
	typed: string,
): Promise<Path | undefined> {
	const places = placesOf(typed);
	for await (const item of pathHistory(store, (path) => places.includes(path), { signal }))
		if (item.type === "change") return places.find((path) => [item.path, item.from].includes(path));
	return undefined;
}

/** As the agent sees it in its own directory, or as `ls` lists it. */
function placesOf(typed: string): readonly Path[] {
	const plain = typed.replace(/^(?:\.\/+)+/, "");
	return [joinPath(WORKPLACE, plain), plain];
}

/**
 * `my notes.md yesterday 18:00`: the longest beginning that is a file, or what is in quotes, or the
 * first word.
 */
export function fileAndWhen(
	rest: string,
	isFile: (typed: string) => boolean,
): { readonly file: string; readonly when: string | undefined } {
	const quoted = /^["'“”„‘’«»`](.+?)["'“”‘’«»`](?:\s+(.+))?$/.exec(rest);
	if (quoted !== null) return { file: quoted[1] as string, when: quoted[2] };
	const words = rest.split(/\s+/);
	for (let length = words.length; length > 0; length--) {
		const file = words.slice(0, length).join(" ");
		if (!isFile(file) && length > 1) continue;
		return { file, when: words.slice(length).join(" ") || undefined };
	}
	return { file: rest, when: undefined };
}

function list<T>(all: readonly T[], words: (each: T) => string): string[] {
	const rows = all.slice(0, MAX_SHOWN).map((each) => `- ${words(each)}`);
	const rest = all.length - rows.length;
	return rest > 0 ? [...rows, `- and ${count(rest, "more", "more")}`] : rows;
}

function entryOf(difference: PathDifference): Entry {
	return difference.kind === "removed" ? difference.before : difference.after;
}

const shown = (path: Path) => printable(path, Number.POSITIVE_INFINITY);

/** Text that is no Markdown. */
const code = (text: string) => `\`${shown(text).replaceAll("`", "'")}\``;
