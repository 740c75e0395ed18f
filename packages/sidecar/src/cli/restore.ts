import { SidecarError } from "../errors.ts";
import { humanBytes, humanDuration } from "../telemetry/format.ts";
import { AT_OPTION, type Command, type Context, textOf } from "./command.ts";
import { durableEnding, type Ending } from "./ending.ts";
import { count, shownPath } from "./format.ts";
import { changeLines, changeSummary } from "./format-changes.ts";

export const restore: Command = {
	name: "restore",
	args: "[PATH...]",
	summary: "Bring the workspace, or single paths, to the newest commit or to an earlier one.",
	notes: [
		"Without PATH, changes made here since the last restore are kept. With --at the directory becomes exactly that commit.",
		"A time means the last commit between two turns of the agent. To get a commit that was taken during a turn, give its number.",
		"With PATH, brings back only these files, links or directories, in place or below --to DIR. A path that is not in the newest",
		"commit comes from the last one that had it. Files that a process has open for writing are refused.",
		"Replaced files are moved out of the workspace, never deleted. A restore commits nothing: the next flush does, or a running daemon.",
	],
	options: [
		AT_OPTION,
		{
			flags: "--to <DIR>",
			description: "Write PATH to DIR/PATH instead, and change nothing else.",
		},
		{ flags: "--force", description: "With --to: replace files with other content." },
		{ flags: "--dry-run", description: "Only show what would change." },
	],
	async run(context, paths, options) {
		if (paths.length > 0) return await restorePaths(context, paths, options);
		const { config, logger, progress, out } = context;
		for (const flag of ["to", "force"])
			if (options[flag] !== undefined)
				throw new SidecarError("USAGE", {
					value: `--${flag}`,
					reason: "it needs a PATH",
					remedy:
						"name what to restore, or use `export DIR` to write a whole commit to another directory",
				});
		if (options.dryRun === true) return await dryRun(context, options);
		const library = await import("../library/restore.ts");
		const result = await library.restore({
			settings: config,
			at: textOf(options.at),
			logger,
			progress,
		});
		if (config.json) await out.json(result);
		else for (const line of shown(result)) await out.line(line);
		return 0;
	},
};

type Options = Readonly<Record<string, unknown>>;

async function restorePaths(
	{ config, logger, progress, out }: Context,
	paths: readonly string[],
	options: Options,
): Promise<Ending> {
	const library = await import("../library/restore-paths.ts");
	const result = await library.restorePaths({
		settings: config,
		paths,
		at: textOf(options.at),
		to: textOf(options.to),
		force: options.force === true,
		dryRun: options.dryRun === true,
		logger,
		progress,
	});
	if (config.json) await out.json(result);
	else for (const line of shownPaths(result)) await out.line(line);
	const { exitStatus, notTaken, deferredDeletions } = result;
	return durableEnding({ exitStatus, paths: notTaken.length, deferredDeletions });
}

function shownPaths({
	from,
	changes,
	moved,
	to,
	dryRun,
	committed,
	notTaken,
}: Awaited<ReturnType<typeof import("../library/restore-paths.ts").restorePaths>>): string[] {
	const commits = [...new Set(from.map(({ seq }) => seq))].join(", ");
	const where = to === undefined ? "" : ` to ${shownPath(to)}`;
	const next =
		dryRun || to !== undefined || changes.length === 0
			? ""
			: committed === undefined
				? "; the next `openclaw-sidecar flush` commits it"
				: `; this is commit ${committed}`;
	return [
		`${dryRun ? "would restore" : "restored"} from commit ${commits}${where}: ${changeSummary(changes)}${next}`,
		...changeLines(changes),
		...notTaken.map(({ path, reason }) => `not taken  ${shownPath(path)}: ${reason}`),
		...replacedLines(moved, committed !== undefined || to !== undefined),
	];
}

async function dryRun(
	{ config, logger, progress, out }: Context,
	options: Options,
): Promise<number> {
	const library = await import("../library/plan-restore.ts");
	const result = await library.planRestore({
		settings: config,
		at: textOf(options.at),
		logger,
		progress,
	});
	if (config.json) await out.json({ ...result, dryRun: true });
	else for (const line of plannedLines("restore", result)) await out.line(line);
	return 0;
}

/** What a whole restore or rollback would do. */
export function plannedLines(
	verb: string,
	{
		seq,
		changes,
		note,
	}: Awaited<ReturnType<typeof import("../library/plan-restore.ts").planRestore>>,
): string[] {
	return [
		`would ${verb} to commit ${seq}: ${changeSummary(changes)}`,
		...changeLines(changes),
		...(note === undefined ? [] : [`note     ${note}`]),
	];
}

type Result = Awaited<ReturnType<typeof import("../library/restore.ts").restore>>;

/** The rate of a few files is meaningless. */
const RATE_FROM_BYTES = 1024 * 1024;

function shown({
	seq,
	files,
	bytes,
	written,
	writtenBytes,
	timed,
	keptLocal,
	moved,
	elsewhere,
	note,
	ms,
}: Result): string[] {
	if (seq === 0) return ["the log is empty: nothing to restore", ...movedLines(moved, false)];
	const rate =
		writtenBytes >= RATE_FROM_BYTES && ms > 0
			? `, ${humanBytes((writtenBytes / ms) * 1000)}/s`
			: "";
	return [
		`restored commit ${seq}: ${count(files, "file")}, ${humanBytes(bytes)}, in ${humanDuration(ms)}`,
		written === 0
			? "everything was already there"
			: `written  ${count(written, "file")}, ${humanBytes(writtenBytes)}${rate}`,
		...(timed > 0 ? [`timed    ${count(timed, "path")} got the log's time`] : []),
		...(keptLocal > 0
			? [
					`kept     ${count(keptLocal, "path")} changed here, not durable until \`openclaw-sidecar flush\``,
				]
			: []),
		...elsewhere.map(
			({ path, files }) =>
				`left out ${shownPath(path)}: ${count(files, "file")} in the log; no --root here names its directory`,
		),
		...movedLines(moved, false),
		...(note === undefined ? [] : [`note     ${note}`]),
	];
}

/** @param isCommitted the log has the moved files now */
export function movedLines(moved: Result["moved"], isCommitted = true): string[] {
	const next = isCommitted
		? "`openclaw-sidecar recover` lists it"
		: "not durable until `openclaw-sidecar flush`";
	return moved.map(
		({ path, to, isInLog }) =>
			`moved    ${shownPath(path)} -> ${shownPath(to)}${isInLog ? "" : `; ${next}`}`,
	);
}

/** Where replaced files are. Those that the log has are only counted. */
export function replacedLines(moved: Result["moved"], isCommitted: boolean): string[] {
	const known = moved.filter(({ isInLog }) => isInLog).length;
	return [
		...movedLines(
			moved.filter(({ isInLog }) => !isInLog),
			isCommitted,
		),
		...(known > 0
			? [`${count(known, "replaced file")} in the trash: \`openclaw-sidecar recover --trash\``]
			: []),
	];
}
