import { SidecarError } from "../errors.ts";
import { RAW_ID } from "../log/restore-id.ts";
import { humanBytes } from "../telemetry/format.ts";
import { type Command, type Context, textOf } from "./command.ts";
import { durableEnding, type Ending } from "./ending.ts";
import { count, isoTime, shortTime, shownPath } from "./format.ts";
import { emptyTrash, listTrash, trashTo } from "./format-trash.ts";
import { entryForProgram, listedEntry } from "./ls.ts";
import { movedLines } from "./restore.ts";

export const recover: Command = {
	name: "recover",
	args: "[PATH]",
	summary: "List, write out, apply or drop what is quarantined.",
	notes: [
		"Quarantined files are below .recovered/ in the log. Superseded writers quarantine files. So do restores that move an edit out of the way of newer bytes.",
		"Without an option, lists the first files of each entry; with --writer or PATH, all of them. Paths are those on the original disk.",
		"Quarantined files stay until you drop them. Dropped files stay in history.",
		"--trash is about what restores moved out of this workspace, on this disk. It stays there until you empty the trash.",
	],
	options: [
		{
			flags: "--writer <ID>",
			description: "Only this writer or restore: its id or the first digits of it.",
		},
		{
			flags: "--to <DIR>",
			description:
				"Write it (or only PATH) to DIR/{writer}, which must be empty. Changes nothing else.",
		},
		{
			flags: "--apply <PATH>",
			description:
				"Restore it to its place in the workspace and commit that. Existing files there are moved away. Not while a daemon runs.",
		},
		{
			flags: "--drop",
			description: "Remove PATH, or all of --writer, from the list.",
		},
		{
			flags: "--trash",
			description: "List the trash on this disk; with --to DIR, copy it (or only PATH) there.",
		},
		{
			flags: "--empty-trash [AGE]",
			description:
				"Delete the trash for good, or only what is older than AGE, such as 7d. Keeps what is in no commit yet.",
		},
	],
	async run(context, [path], options) {
		if (options.trash !== undefined || options.emptyTrash !== undefined)
			return await trashVerb(context, path, options);
		const act = actOf(options);
		const choice = { writer: textOf(options.writer), path };
		return await ACTS[act](context, choice, options);
	},
};

/** Paths listed for each writer; `--writer` lists all. */
const SHOWN_PATHS = 20;

const RECOVER_REMEDY =
	"correct the named cause and run `openclaw-sidecar flush`; what was applied stays quarantined until you drop it";

type Act = "list" | "to" | "apply" | "drop";
interface Choice {
	readonly writer: string | undefined;
	readonly path: string | undefined;
}
type Options = Readonly<Record<string, unknown>>;

async function trashVerb(
	context: Context,
	path: string | undefined,
	{ trash, emptyTrash: empty, to, ...others }: Options,
): Promise<Ending> {
	const [other] = ["apply", "drop", "writer"].filter((each) => others[each] !== undefined);
	const isEmptied = empty !== undefined;
	if (
		other !== undefined ||
		(isEmptied && (trash !== undefined || to !== undefined || path !== undefined))
	)
		throw new SidecarError("USAGE", {
			value: isEmptied ? "--empty-trash" : `--trash --${other}`,
			reason: isEmptied ? "it takes nothing but an age" : "they do not go together",
			remedy: "use `recover --trash [--to DIR] [PATH]` or `recover --empty-trash [AGE]`",
		});
	if (isEmptied) return await emptyTrash(context, empty === true ? undefined : String(empty));
	if (to !== undefined) return await trashTo(context, path, String(to));
	return await listTrash(context, path);
}

function actOf(options: Options): Act {
	const acts = (["to", "apply", "drop"] as const).filter((act) => options[act] !== undefined);
	if (acts.length > 1)
		throw new SidecarError("USAGE", {
			value: acts.map((act) => `--${act}`).join(" "),
			reason: "use only one of them",
		});
	return acts[0] ?? "list";
}

const ACTS: Readonly<
	Record<Act, (context: Context, choice: Choice, options: Options) => Promise<Ending>>
> = {
	async list({ config, out }, choice) {
		const library = await import("../library/recover.ts");
		const listings = await library.listQuarantined({ settings: config, ...choice });
		if (config.json) {
			await out.json({ writers: listings.map(forProgram) });
			return 0;
		}
		if (listings.length === 0) await out.line("nothing is quarantined");
		const isDetailed = choice.writer !== undefined || choice.path !== undefined;
		for (const { writer, isRestore, files, bytes, firstMs, lastMs, entries } of listings) {
			const when =
				firstMs === undefined || lastMs === undefined
					? "time unknown"
					: [...new Set([shortTime(firstMs), shortTime(lastMs)])].join(" to ");
			const by = isRestore
				? "moved away by a restore, "
				: writer === RAW_ID
					? "raw bytes of databases, "
					: "";
			await out.line(`${writer}  ${count(files, "file")}, ${humanBytes(bytes)}, ${by}${when}`);
			const shown = isDetailed ? entries : entries.slice(0, SHOWN_PATHS);
			for (const [path, entry] of shown) await out.line(listedEntry(path, entry));
			if (shown.length < entries.length)
				await out.line(
					`and ${entries.length - shown.length} more: add --writer ${writer.slice(0, 20)}`,
				);
		}
		return 0;
	},

	async to({ config, out, logger, progress }, choice, { to }) {
		const library = await import("../library/recover.ts");
		const result = await library.recoverTo({
			settings: config,
			...choice,
			to: String(to),
			logger,
			progress,
		});
		if (config.json) await out.json(result);
		else if (result.directories.length === 0) await out.line("nothing is quarantined");
		else {
			await out.line(`wrote ${count(result.files, "file")}, ${humanBytes(result.bytes)}`);
			for (const directory of result.directories) await out.line(shownPath(directory));
		}
		return 0;
	},

	async apply({ config, out, logger, progress }, { writer, path }, { apply }) {
		if (path !== undefined)
			throw new SidecarError("USAGE", { value: path, reason: "--apply names the path already" });
		const library = await import("../library/recover.ts");
		const result = await library.recoverApply({
			settings: config,
			writer,
			path: String(apply),
			logger,
			progress,
		});
		if (config.json) await out.json(result);
		else {
			await out.line(
				`applied ${count(result.applied.length, "file")} of ${result.writer.slice(0, 8)}: commit ${result.seq}`,
			);
			for (const { path: at, reason } of result.notTaken)
				await out.line(`not taken  ${shownPath(at)}: ${reason}`);
			for (const line of movedLines(result.moved)) await out.line(line);
		}
		const { exitStatus, notTaken } = result;
		return durableEnding(
			{ exitStatus, paths: notTaken.length, deferredDeletions: 0 },
			exitStatus === 3 ? { remedy: RECOVER_REMEDY } : {},
		);
	},

	async drop({ config, out, logger, progress }, choice) {
		const library = await import("../library/recover.ts");
		const result = await library.recoverDrop({ settings: config, ...choice, logger, progress });
		if (config.json) await out.json(result);
		else
			await out.line(
				result.seq === undefined
					? "nothing to drop"
					: `dropped ${count(result.files, "file")}: commit ${result.seq}${result.by === "daemon" ? ", by the daemon" : ""}`,
			);
		return 0;
	},
};

type Listing = Awaited<ReturnType<typeof import("../library/recover.ts").listQuarantined>>[number];

function forProgram({
	writer,
	isRestore,
	files,
	bytes,
	firstMs,
	lastMs,
	entries,
}: Listing): object {
	return {
		writer,
		restore: isRestore,
		files,
		bytes,
		first: firstMs === undefined ? null : isoTime(firstMs),
		last: lastMs === undefined ? null : isoTime(lastMs),
		entries: entries.map(([path, entry]) => entryForProgram(path, entry)),
	};
}
