/** What the page may ask for, by the name of the request. */
import * as z from "zod/mini";
import { SidecarError, toSidecarError } from "../errors.ts";
import type { MissingCommits } from "../history/commit-changes.ts";
import { compareContent } from "../history/compare-content.ts";
import { findPath } from "../history/inspect.ts";
import { findDeleted, type PathChange, pathHistory } from "../history/path-history.ts";
import { isGlob, matchGlobs, type PathSelector } from "../history/select-paths.ts";
import { countRows } from "../library/count-rows.ts";
import type { WorkspaceOptions } from "../library/options.ts";
import { listQuarantined } from "../library/recover.ts";
import { status } from "../library/status.ts";
import { diffTrees, isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import { quarantineWriter } from "../log/safe-path.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { baseOf, compareBytes, parentOf } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Profile } from "../workspace/profile.ts";
import { type Answers, AT, on, PATH } from "./answer.ts";
import type {
	About,
	Compared,
	Content,
	ContentDifference,
	Deleted,
	Difference,
	DiskState,
	Download,
	EntryAt,
	Level,
	Moment,
	QuarantinedRow,
	Row,
	SearchResult,
	State,
	Table,
	Version,
} from "./api.ts";
import { contentAt, firstBytes, requireFile } from "./content.ts";
import type { Databases } from "./databases.ts";
import { fileBody, type Tickets, zipBody } from "./downloads.ts";
import type { LogView, TreeAt } from "./log-view.ts";
import { isSecretPlace, secretKinds } from "./secrets.ts";
import { writingAnswers } from "./writing.ts";

export interface AnswerOptions {
	readonly about: About;
	readonly store: ObjectStore;
	readonly profile: Profile;
	readonly view: LogView;
	readonly databases: Databases;
	readonly tickets: Tickets;
	readonly verbs: WorkspaceOptions;
	/** The daemon's answer about itself; undefined if there is none. */
	readonly askDaemon: () => Promise<State["daemon"]>;
}

const NUMBER = z.int().check(z.minimum(0));
const TEXT = z.string().check(z.minLength(1), z.maxLength(1_000));
const PAGE = { offset: NUMBER, limit: z.int().check(z.minimum(1), z.maximum(1_000)) };

const MAX_FOUND = 500;
const MAX_SHOWN = 100;
const MAX_UNIFIED_LINES = 20_000;
const MAX_UNIFIED_CHARACTERS = 1024 * 1024;
/** Searched for secrets before a single file is downloaded. */
const SEARCHED_BYTES = 1024 * 1024;

export function makeAnswers(options: AnswerOptions): Answers {
	const { about, store, profile, view, databases, tickets, verbs, askDaemon } = options;
	const isSecret = (path: Path) => isSecretPlace(profile, path);
	const row = (index: TreeAt["index"], path: Path) => rowOf(index, path, isSecret(path));

	return {
		about: on(z.object({}), async () => about),
		timeline: on(z.object({}), async (_, signal) => view.timeline(signal)),
		commits: on(z.object({ from: NUMBER, limit: PAGE.limit }), async ({ from, limit }, signal) => ({
			commits: await view.commits(from, limit, signal),
		})),
		moment: on(z.object({ at: z.optional(AT) }), async ({ at }, signal): Promise<Moment> => {
			const { seq, index } = await view.tree(at, signal);
			const [commit] = seq === 0 ? [] : await view.commits(seq, 1, signal);
			return { seq, timeMs: commit?.timeMs ?? 0, ...index.totals };
		}),
		level: on(
			z.object({ at: z.optional(AT), path: PATH, ...PAGE }),
			async ({ at, path, offset, limit }, signal): Promise<Level> => {
				const { seq, index } = await view.tree(at, signal);
				requireDirectory(index.tree, path);
				const paths = index.level(path);
				const rows = paths.slice(offset, offset + limit).map((each) => row(index, each));
				return { seq, total: paths.length, offset, rows };
			},
		),
		entry: on(z.object({ at: z.optional(AT), path: PATH }), async ({ at, path }, signal) => {
			const { index } = await view.tree(at, signal);
			const found = requireEntry(index.tree, path);
			return { path: found, trail: trailOf(index, found), ...row(index, found) } satisfies EntryAt;
		}),
		versions: on(z.object({ path: PATH }), async function* ({ path }, signal) {
			const selects = (each: Path) => each === path;
			for await (const item of pathHistory(store, selects, { signal })) yield versionOf(item);
		}),
		deleted: on(z.object({ text: TEXT }), async function* ({ text }, signal) {
			const { seq: from, index } = await view.tree(undefined, signal);
			const isThere = (path: Path) => index.tree.has(path);
			const options = { from, signal };
			let found = 0;
			for await (const item of findDeleted(store, selectorOf(text), isThere, options)) {
				if ("type" in item || item.deletedIn === undefined) continue;
				const { path, entry, seq, deletedIn, renamedTo } = item;
				const row = rowFrom(entry, path, isSecret(path));
				yield { path, ...row, seq, deletedIn: deletedIn.seq, renamedTo } satisfies Deleted;
				if (++found === MAX_FOUND) return;
			}
		}),
		content: on(
			z.object({ at: z.optional(AT), path: PATH, confirmed: z.optional(z.boolean()) }),
			async ({ at, path, confirmed = false }, signal): Promise<Content> =>
				contentAt(
					{ store, profile, databases },
					await view.tree(at, signal),
					path,
					confirmed,
					signal,
				),
		),
		table: on(
			z.object({
				at: z.optional(AT),
				path: PATH,
				confirmed: z.optional(z.boolean()),
				table: z.string().check(z.maxLength(1_000)),
				...PAGE,
			}),
			async ({ at, path, confirmed, ...wanted }, signal): Promise<Table> => {
				const { index, read } = await view.tree(at, signal);
				const file = requireFile(index.tree, path);
				if (isSecret(path) && confirmed !== true) throw unconfirmed(path);
				return await databases.rows(file, read, wanted);
			},
		),
		search: on(
			z.object({ at: z.optional(AT), text: TEXT }),
			async ({ at, text }, signal): Promise<SearchResult> => {
				const { seq, index } = await view.tree(at, signal);
				const selects = selectorOf(text);
				const paths = [...index.paths()].flatMap(([path]) => (selects(path) ? [path] : []));
				paths.sort((a, b) => rank(a, text) - rank(b, text) || compareBytes(a, b));
				const found = paths.slice(0, MAX_FOUND).map((path) => ({ path, ...row(index, path) }));
				return { seq, found, total: paths.length };
			},
		),
		compare: on(
			z.object({ from: AT, to: z.optional(AT), ...PAGE }),
			async ({ from, to, offset, limit }, signal): Promise<Compared> => {
				const [before, after] = [await view.tree(from, signal), await view.tree(to, signal)];
				const differences = differencesOf(before, after);
				const counts = { added: 0, removed: 0, changed: 0 };
				for (const { kind } of differences) counts[kind]++;
				return {
					from: before.seq,
					to: after.seq,
					total: differences.length,
					counts,
					differences: differences
						.slice(offset, offset + limit)
						.map((each) => differenceOf(each, isSecret(each.path))),
				};
			},
		),
		difference: on(
			z.object({ from: AT, to: AT, path: PATH, confirmed: z.optional(z.boolean()) }),
			async ({ from, to, path, confirmed }, signal): Promise<ContentDifference> => {
				const [before, after] = [await view.tree(from, signal), await view.tree(to, signal)];
				const only = ({ index }: TreeAt): Tree => {
					const entry = index.tree.get(path);
					return new Map(entry === undefined ? [] : [[path, entry]]);
				};
				const [difference] = diffTrees(only(before), only(after));
				if (difference === undefined) return { kind: "none" };
				if (isSecret(path) && confirmed !== true)
					return { kind: "secret", size: 0, reasons: ["place"] };
				const { starts } = before.read;
				// A difference hides secrets from the search: its signs stand before tokens and within keys.
				const reasons = new Set<string>();
				const onText = (bytes: Buffer) => {
					for (const kind of confirmed === true ? [] : secretKinds(bytes)) reasons.add(kind);
				};
				const reader = {
					store,
					startsBefore: starts,
					startsAfter: starts,
					countRows,
					onText,
					signal,
				};
				const content = await compareContent(reader, difference);
				switch (content?.type) {
					case undefined:
						return { kind: "none" };
					case "large":
						return { kind: "too-large", limit: content.limitBytes };
					case "binary":
						return { kind: "binary" };
					case "database":
						return { kind: "database", tables: content.tables };
					case "text": {
						const { addedLines, removedLines } = content;
						if (reasons.size > 0) return { kind: "secret", size: 0, reasons: [...reasons] };
						return { kind: "text", ...beginning(content.unified), addedLines, removedLines };
					}
				}
			},
		),
		quarantined: on(z.object({}), async (_, signal) => {
			const listed = await listQuarantined({ ...verbs, signal });
			return {
				quarantined: listed.map(
					({ entries, ...rest }): QuarantinedRow => ({
						...rest,
						entries: entries
							.slice(0, MAX_SHOWN)
							.map(([path, entry]) => ({ path, size: entry.type === "file" ? entry.size : 0 })),
					}),
				),
			};
		}),
		download: on(
			z.object({
				at: z.optional(AT),
				path: PATH,
				confirmed: z.optional(z.boolean()),
				secrets: z.optional(z.enum(["include", "leave-out"])),
			}),
			async ({ at, path, confirmed, secrets }, signal): Promise<Download> => {
				const tree = await view.tree(at, signal);
				const entry = requireEntry(tree.index.tree, path, true);
				const issued = (body: Parameters<Tickets["issue"]>[0]): Download => ({
					kind: "ticket",
					url: `/download/${tickets.issue(body)}`,
					name: body.name,
				});
				const found = tree.index.tree.get(entry) as Entry;
				if (found.type === "file") {
					const reasons = isSecret(path)
						? ["place"]
						: secretKinds(await firstBytes(store, tree.read, found, SEARCHED_BYTES, signal));
					if (reasons.length > 0 && confirmed !== true) return { kind: "secret", reasons };
					return issued(fileBody(store, tree, baseOf(path), found));
				}
				const all = below(tree.index.tree, entry);
				const kept = all.filter(([each, { type }]) => type === "dir" || !isSecret(each));
				if (kept.length < all.length && secrets === undefined)
					return { kind: "secret-files", files: all.length - kept.length };
				const top = `${entry === "" ? about.namespace : baseOf(entry)}-${tree.seq}`;
				const prefix = entry === "" ? 0 : entry.length + 1;
				const entries = (secrets === "leave-out" ? kept : all).map(
					([each, value]) => [`${top}/${each.slice(prefix)}`, value] as const,
				);
				return issued(zipBody(store, tree, `${top}.zip`, entries));
			},
		),
		state: on(z.object({}), async (_, signal): Promise<State> => {
			const { seq, storeTimeMs } = await view.newest(signal);
			const known = { newestSeq: seq, nowMs: storeTimeMs };
			try {
				return { ...known, daemon: await askDaemon() };
			} catch (error) {
				const { code, message, remedy } = toSidecarError(error);
				return { ...known, daemonError: { code, message, remedy } };
			}
		}),
		disk: on(z.object({}), async (_, signal): Promise<DiskState> => {
			const found = await status({ ...verbs, signal });
			const { isDurable, reasons, notDurable, behind, deferredDeletions } = found;
			return {
				...{ isDurable, reasons, behind, deferredDeletions },
				notDurable: notDurable.slice(0, MAX_SHOWN).map(({ path, reason }) => ({ path, reason })),
				notDurableCount: notDurable.length,
			};
		}),
		...(about.allowsRestore ? writingAnswers(verbs) : {}),
	};
}

function unconfirmed(path: Path): SidecarError {
	return new SidecarError("USAGE", {
		value: path,
		reason: "secrets are expected there, and the request does not confirm that they may be shown",
	});
}

/** @throws SidecarError PATH_NOT_FOUND */
function requireDirectory(tree: Tree, path: Path): void {
	// An empty log has no tree at all.
	if (path === "" || tree.get(path)?.type === "dir") return;
	throw new SidecarError("PATH_NOT_FOUND", {
		value: path,
		reason: tree.has(path) ? "it is not a directory" : "not in this commit",
	});
}

/** @throws SidecarError PATH_NOT_FOUND */
function requireEntry(tree: Tree, typed: string, acceptsAll = false): Path {
	const path = findPath(tree, typed);
	if (path !== undefined && (path !== "" || acceptsAll)) return path;
	throw new SidecarError("PATH_NOT_FOUND", { value: typed || "." });
}

function rowOf(index: TreeAt["index"], path: Path, secret: boolean): Row {
	const row = rowFrom(index.tree.get(path) as Entry, path, secret);
	if (row.type !== "dir") return row;
	const { bytes: size, files } = index.below(path);
	return { ...row, size, files };
}

function rowFrom(entry: Entry, path: Path, secret: boolean): Row {
	return {
		name: baseOf(path),
		type: entry.type,
		mtimeMs: Number(entry.mtimeNs / 1_000_000n),
		...(entry.type !== "link" && { mode: entry.mode.toString(8).padStart(4, "0") }),
		...(entry.type === "file" && { size: entry.size }),
		...(entry.type === "link" && { target: entry.target }),
		...(secret && { secret }),
	};
}

/** A part of a path, or a pattern as `find` takes it; whatever the case. */
function selectorOf(text: string): PathSelector {
	if (isGlob(text)) return matchGlobs([text], { ignoreCase: true });
	const part = text.toLowerCase();
	return (path) => path.toLowerCase().includes(part);
}

/** Names before directories, and what is quarantined last. */
function rank(path: Path, text: string): number {
	if (quarantineWriter(path) !== undefined) return 3;
	const name = baseOf(path).toLowerCase();
	const wanted = text.toLowerCase();
	return name === wanted ? 0 : name.includes(wanted) ? 1 : 2;
}

/** The place of a path's parts in their directories, from the workspace down. */
function trailOf(index: TreeAt["index"], path: Path): number[] {
	const trail: number[] = [];
	for (let each = path; each !== ""; each = parentOf(each))
		trail.unshift(index.level(parentOf(each)).indexOf(each));
	return trail;
}

function versionOf(item: PathChange | MissingCommits): Version {
	if (item.type === "missing") return { kind: "missing", commits: item.to - item.from + 1 };
	const { kind, path, from, seq, timeMs, writer, before, after } = item;
	return {
		...{ kind, path, from, seq, timeMs, writer },
		...(after?.type === "file" && { size: after.size }),
		...(before?.type === "file" && { sizeBefore: before.size }),
	};
}

/** Whole lines. A difference ends with a line break. */
function beginning(unified: string): { readonly unified: string; readonly isCut: boolean } {
	let end = 0;
	for (let lines = 0; lines < MAX_UNIFIED_LINES && end < unified.length; lines++) {
		const next = unified.indexOf("\n", end) + 1;
		if (next === 0 || next > MAX_UNIFIED_CHARACTERS) break;
		end = next;
	}
	return { unified: unified.slice(0, end), isCut: end < unified.length };
}

/** Pages of one comparison come one after the other. */
const compared = new WeakMap<TreeAt, WeakMap<TreeAt, readonly PathDifference[]>>();

function differencesOf(before: TreeAt, after: TreeAt): readonly PathDifference[] {
	const known = compared.get(before) ?? new WeakMap<TreeAt, readonly PathDifference[]>();
	compared.set(before, known);
	const found =
		known.get(after) ??
		diffTrees(before.index.tree, after.index.tree).filter((each) => !isTouchedDirectory(each));
	known.set(after, found);
	return found;
}

function differenceOf(difference: PathDifference, secret: boolean): Difference {
	const { path, kind } = difference;
	const before = kind === "added" ? undefined : difference.before;
	const after = kind === "removed" ? undefined : difference.after;
	return {
		path,
		kind,
		type: (after ?? (before as Entry)).type,
		...(kind === "changed" && { aspects: difference.aspects }),
		...(before?.type === "file" && { sizeBefore: before.size }),
		...(after?.type === "file" && { sizeAfter: after.size }),
		...(secret && { secret }),
	};
}

/** A directory and everything below it, in the order of the paths' bytes. */
function below(tree: Tree, path: Path): (readonly [Path, Entry])[] {
	const prefix = path === "" ? "" : `${path}/`;
	return [...tree]
		.filter(([each]) => each !== "" && each.startsWith(prefix))
		.sort(([a], [b]) => compareBytes(a, b));
}
