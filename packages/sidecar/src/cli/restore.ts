import { humanBytes, humanDuration } from "../telemetry/format.ts";
import { AT_OPTION, type Command, textOf } from "./command.ts";
import { count, shownPath } from "./format.ts";

export const restore: Command = {
	name: "restore",
	summary: "Bring the workspace to the newest commit, or to an earlier one.",
	notes: [
		"Without --at, changes made here since the last restore are kept. With --at the directory becomes exactly that commit.",
		"A time means the last commit between two turns of the agent. To get a commit that was taken during a turn, give its number.",
		"Replaced files are moved out of the workspace, never deleted. A restore commits nothing: the next flush keeps them.",
	],
	options: [AT_OPTION],
	async run({ config, logger, progress, out }, _args, options) {
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

type Result = Awaited<ReturnType<typeof import("../library/restore.ts").restore>>;

/** The rate of a few files is meaningless. */
const RATE_FROM_BYTES = 1024 * 1024;

function shown({
	seq,
	files,
	bytes,
	written,
	writtenBytes,
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
