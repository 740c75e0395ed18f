import { SidecarError } from "../errors.ts";
import { humanBytes, humanDuration, plural } from "../telemetry/format.ts";
import { AT_OPTION, type Command, textOf } from "./command.ts";
import { count, shownPath } from "./format.ts";
import { pathLines } from "./import.ts";

export const exportCommand: Command = {
	name: "export",
	args: "<TARGET>",
	summary: "Write the tree of a commit to a directory or a bucket.",
	notes: [
		"TARGET is a new or empty directory, or s3://bucket/prefix/ for objects whose keys are paths. Nothing in the log changes.",
		"Exit status 3 if the target cannot hold an entry, which the output names.",
	],
	options: [
		AT_OPTION,
		{
			flags: "--overwrite",
			description:
				"Accept a prefix with objects. Those with the same keys are replaced, the others stay.",
		},
	],
	async run({ config, logger, progress, out }, [to = ""], options) {
		const library = await import("../library/export.ts");
		const result = await library.exportTree({
			settings: config,
			at: textOf(options.at),
			to,
			overwrite: options.overwrite === true,
			logger,
			progress,
		});
		if (config.json) await out.json(result);
		else for (const line of shown(result)) await out.line(line);
		const number = result.notCarried.length;
		return number === 0
			? 0
			: new SidecarError("EXPORT_INCOMPLETE", {
					value: result.to,
					reason: `${count(number, "path")} ${plural(number, "is", "are")} missing there`,
				});
	},
};

type Result = Awaited<ReturnType<typeof import("../library/export.ts").exportTree>>;

function shown({
	to,
	seq,
	files,
	bytes,
	directories,
	links,
	notCarried,
	others,
	ms,
}: Result): string[] {
	return [
		`exported commit ${seq} to ${shownPath(to)}: ${count(files, "file")}, ${humanBytes(bytes)}, ${count(directories, "directory", "directories")}, ${count(links, "link")}, in ${humanDuration(ms)}`,
		...pathLines("not carried", notCarried),
		...(others > 0 ? [`${count(others, "other object")} at that prefix did not change`] : []),
	];
}
