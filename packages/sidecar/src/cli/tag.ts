import { SidecarError } from "../errors.ts";
import { localTime } from "../history/when.ts";
import type { Command } from "./command.ts";
import { aligned, isoTime } from "./format.ts";

export const tag: Command = {
	name: "tag",
	args: "[NAME] [WHEN]",
	summary: "Name a commit, list the names, or remove one.",
	notes: [
		"Retention keeps a tagged commit until the tag is removed. WHEN is a commit or a time, in any form that --at accepts; default:",
		"the newest commit. Without NAME, lists the tags. A running daemon is not affected.",
	],
	options: [{ flags: "--remove", description: "Remove the tag NAME." }],
	async run({ config, out }, [name, when], options) {
		const library = await import("../library/tag.ts");
		if (options.remove === true) {
			if (name === undefined || when !== undefined)
				throw new SidecarError("USAGE", {
					value: "--remove",
					reason: name === undefined ? "the tag is missing" : "it takes the tag alone",
					remedy: "use `openclaw-sidecar tag --remove NAME`",
				});
			const removed = await library.untag({ settings: config, name });
			if (config.json) await out.json(removed);
			else await out.line(`removed ${name}, which named commit ${removed.seq}`);
			return 0;
		}
		if (name !== undefined) {
			const made = await library.tag({ settings: config, name, at: when });
			if (config.json) await out.json(made);
			else
				await out.line(
					made.isNew
						? `commit ${made.seq} is now ${name}; retention keeps it until \`openclaw-sidecar tag --remove ${name}\``
						: `commit ${made.seq} is ${name} already`,
				);
			return 0;
		}
		const tags = await library.tags({ settings: config });
		if (config.json)
			await out.json({
				tags: tags.map(({ timeMs, ...each }) => ({ ...each, time: isoTime(timeMs) })),
			});
		else if (tags.length === 0) await out.line("there are no tags");
		else
			for (const line of aligned([
				["TAG", "COMMIT", "MADE"],
				...tags.map(({ name: each, seq, timeMs, isThere }) => [
					each,
					`${seq}${isThere ? "" : " (gone)"}`,
					localTime(timeMs),
				]),
			]))
				await out.line(line);
		return 0;
	},
};
