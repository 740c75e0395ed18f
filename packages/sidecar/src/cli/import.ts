import { humanBytes, humanDuration } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, shownPath } from "./format.ts";

export const importCommand: Command = {
	name: "import",
	args: "[SOURCE]",
	summary: "Import a directory or a bucket as the first commit of the log.",
	notes: [
		"SOURCE is a directory, or s3://bucket/prefix/ with objects whose keys are paths. The default is users/{namespace}/, beside the log, which a first start also adopts.",
		"Everything becomes one commit, or nothing does. The source does not change. Fails if the log is not empty.",
		"The profile's exclusions apply; --profile plain imports everything.",
	],
	async run({ config, logger, progress, out }, [from]) {
		const library = await import("../library/import.ts");
		const result = await library.importTree({ settings: config, from, logger, progress });
		if (config.json) await out.json(result);
		else for (const line of shown(result)) await out.line(line);
		return 0;
	},
};

type Result = Awaited<ReturnType<typeof import("../library/import.ts").importTree>>;

/** The rest is counted, and is in the log lines. */
const SHOWN_PATHS = 20;

function shown({ seq, files, bytes, directories, links, leftOut, from, ms }: Result): string[] {
	return [
		`imported ${shownPath(from)} as commit ${seq}: ${count(files, "file")}, ${humanBytes(bytes)}, ${count(directories, "directory", "directories")}, ${count(links, "link")}, in ${humanDuration(ms)}`,
		...pathLines("left out", leftOut),
	];
}

export function pathLines(
	word: string,
	paths: readonly { readonly path: string; readonly reason: string }[],
): string[] {
	const left = paths.length - SHOWN_PATHS;
	return [
		...paths
			.slice(0, SHOWN_PATHS)
			.map(({ path, reason }) => `${word}  ${shownPath(path)}: ${reason}`),
		...(left > 0 ? [`${word}  and ${count(left, "more", "more")}`] : []),
	];
}
