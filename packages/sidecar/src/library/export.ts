import { readdirSync } from "node:fs";
import { readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { resolveAt } from "../history/resolve-at.ts";
import { loadTools } from "../restore/load-tools.ts";
import { restore } from "../restore/restore.ts";
import { openPlace, openSink, type Place } from "../store/place.ts";
import type { PlainPlace } from "../store/plain.ts";
import { exportObjects } from "../transfer/export-objects.ts";
import { withStaging } from "../transfer/staging-directory.ts";
import {
	connectionOf,
	type OpenWorkspace,
	type WorkspaceOptions,
	withWorkspace,
} from "./options.ts";
import { isAmongLogs, placeOf } from "./place.ts";

export interface ExportOptions extends Omit<WorkspaceOptions, "workspace"> {
	/** `s3://bucket/prefix/`, or a directory that is new or empty. */
	readonly to: string;
	/**
	 * Which commit: its number, or another form of `AtOptions.at`. Default: the newest.
	 */
	readonly at?: number | string | undefined;
	/**
	 * Allow existing objects at the prefix: those with the same keys are replaced, the others stay.
	 * Default false.
	 */
	readonly overwrite?: boolean;
}

export interface ExportResult {
	readonly to: string;
	/** The commit that was exported. */
	readonly seq: number;
	/** Written. */
	readonly files: number;
	readonly directories: number;
	readonly links: number;
	readonly bytes: number;
	/** Paths that the target cannot hold, and why: they are missing there. */
	readonly notCarried: readonly { readonly path: string; readonly reason: string }[];
	/**
	 * Objects that existed at the prefix before and are not part of the export; with `overwrite`
	 * only.
	 */
	readonly others: number;
	readonly ms: number;
	/** 3 if any path could not be exported. */
	readonly exitStatus: 0 | 3;
}

/**
 * Writes the tree of a commit to a directory or as objects whose keys are the paths, including what
 * superseded writers quarantined. docs/transfer.md specifies how objects hold modes, times and
 * links. An interrupted export leaves what was written so far.
 *
 * @throws SidecarError TARGET_NOT_EMPTY; USAGE (a target among the logs, an empty log);
 * COMMIT_NOT_FOUND, COMMIT_EXPIRED, STORE_*, OBJECT_*, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE,
 * WORKSPACE_* (of a directory to export to), STATE_DIR_UNUSABLE, and for a wrong option
 */
export async function exportTree(options: ExportOptions): Promise<ExportResult> {
	return await withWorkspace(options, async (opened) => {
		const started = performance.now();
		const { store, storeUrl, logger } = opened;
		const { at, signal } = options;
		const place = placeOf(options.to);
		if (isAmongLogs(place, storeUrl)) {
			throw new SidecarError("USAGE", {
				value: options.to,
				reason: "it is among the logs of the store, or contains them",
				remedy: "name a place outside the store's users/",
			});
		}
		const seq = at === undefined ? undefined : await resolveAt(store, String(at), signal);
		const exported =
			place.kind === "s3"
				? await toObjects(options, opened, place, seq)
				: await toDirectory(options, opened, place.path, seq);
		const { notCarried } = exported;
		for (const { path, reason } of notCarried) logger.warn("export.not-carried", { path, reason });
		const ms = Math.round(performance.now() - started);
		logger.info("export.finished", { ...exported, notCarried: notCarried.length, ms });
		return { ...exported, ms, exitStatus: notCarried.length > 0 ? 3 : 0 };
	});
}

type Exported = Omit<ExportResult, "ms" | "exitStatus">;

async function toObjects(
	options: ExportOptions,
	{ store, settings, progress }: OpenWorkspace,
	target: Place & { kind: "s3" },
	at: number | undefined,
): Promise<Exported> {
	const { to, signal, overwrite = false } = options;
	if (target.prefix === "") {
		throw new SidecarError("USAGE", {
			value: to,
			reason: "a prefix is needed: it stands for the directory itself",
			remedy: `use ${to}/some-name/`,
		});
	}
	const connection = connectionOf(options, settings);
	const before = await openPlace(target, connection);
	const sink = await openSink(target, connection);
	try {
		const there = await keysAt(before.place, overwrite, signal);
		const write = async () => {
			const read = await readLog(store, { at, signal });
			requireCommit(read.head.seq, store.url);
			const { notCarried, ...counts } = await exportObjects({
				store,
				read,
				sink,
				progress,
				signal,
			});
			for (const [path, entry] of read.head.tree)
				there.delete(entry.type === "dir" && path !== "" ? `${path}/` : path);
			return { to: sink.url, seq: read.head.seq, ...counts, notCarried, others: there.size };
		};
		return await readEarlier(store, at, write, signal);
	} finally {
		await Promise.all([before.close(), sink.close()]);
	}
}

/**
 * @throws SidecarError TARGET_NOT_EMPTY. The bare prefix without bytes, a "folder" created by a
 * console, counts as empty.
 */
async function keysAt(
	place: PlainPlace,
	overwrite: boolean,
	signal: AbortSignal | undefined,
): Promise<Set<string>> {
	const keys = new Set<string>();
	if (place.kind === "directory") return keys;
	for await (const page of place.objects.list({ signal })) {
		for (const { key, sizeBytes } of page) {
			if (!overwrite && (key !== "" || sizeBytes > 0)) {
				throw new SidecarError("TARGET_NOT_EMPTY", {
					value: place.objects.url,
					reason: `${key === "" ? "the prefix itself" : key} exists`,
					remedy: "name a new prefix, or add --overwrite to replace objects with the same keys",
				});
			}
			keys.add(key);
		}
	}
	return keys;
}

/** A restore of exactly that commit to a directory that is not a workspace. */
async function toDirectory(
	{ to, overwrite }: ExportOptions,
	opened: OpenWorkspace,
	target: string,
	at: number | undefined,
): Promise<Exported> {
	if (overwrite === true) {
		throw new SidecarError("USAGE", {
			value: to,
			reason: "--overwrite is for s3:// targets",
			remedy:
				"name a new or empty directory; `restore --at` brings an existing one to a commit and keeps replaced files",
		});
	}
	requireEmptyDirectory(target);
	const { store, signal } = opened;
	const newest = at ?? (await readLog(store, { signal })).head.seq;
	requireCommit(newest, store.url);
	const tools = await loadTools();
	return await withStaging(opened.privateDir, async (privateDir) => {
		const place = { root: target, privateDir, label: "export" };
		const restored = await restore({
			...opened,
			...tools,
			...place,
			at: newest,
			withQuarantined: true,
		});
		await restored.finish(true);
		const entries = [...restored.head.tree].filter(([path]) => path !== "");
		const count = (type: string) => entries.filter(([, entry]) => entry.type === type).length;
		return {
			to: target,
			seq: newest,
			files: restored.files,
			directories: count("dir"),
			links: count("link"),
			bytes: restored.bytes,
			notCarried: [],
			others: 0,
		};
	});
}

function requireEmptyDirectory(path: string): void {
	let first: string | undefined;
	try {
		first = readdirSync(path)[0];
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		if (code === "ENOENT") return;
		if (code === "ENOTDIR")
			throw new SidecarError("USAGE", { value: path, reason: "it is not a directory", cause });
		throw new SidecarError("WORKSPACE_UNREADABLE", {
			value: path,
			reason: code ?? "cannot be read",
			cause,
		});
	}
	if (first !== undefined)
		throw new SidecarError("TARGET_NOT_EMPTY", { value: path, reason: `${first} is there` });
}

function requireCommit(seq: number, logUrl: string): void {
	if (seq === 0)
		throw new SidecarError("COMMIT_NOT_FOUND", { value: logUrl, reason: "the log is empty" });
}
