import { resolve } from "node:path";
import { SidecarError } from "../errors.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, isoTime, shownPath } from "./format.ts";

export const repair: Command = {
	name: "repair",
	summary: "Remove garbage after the newest good commit.",
	notes: [
		"For a log into which stolen credentials wrote unreadable objects. Never removes a commit that can be read. Copies every byte",
		"to a local directory before it removes it. Without --yes, only shows the objects. Needs credentials that may delete.",
	],
	options: [
		{ flags: "--after <SEQ>", description: "The newest commit to keep; `verify` names it." },
		{ flags: "--yes", description: "Remove the objects." },
		{
			flags: "--copy-to <DIR>",
			description:
				"Directory for the copies. (default: repair/NAMESPACE below the state directory)",
		},
	],
	async run({ config, logger, out }, _args, options) {
		const after = afterOf(options.after);
		const library = await import("../library/repair.ts");
		const copyTo = options.copyTo === undefined ? undefined : resolve(String(options.copyTo));
		const result = await library.repair({
			settings: config,
			after,
			isConfirmed: options.yes === true,
			copyTo,
			logger,
		});
		if (config.json) await out.json({ ...result, objects: result.objects.map(forProgram) });
		else for (const line of shown(result)) await out.line(line);
		return result.removed || result.objects.length === 0 ? 0 : unchanged(result);
	},
};

function afterOf(value: unknown): number {
	if (typeof value === "string" && /^[1-9]\d{0,14}$/.test(value)) return Number(value);
	throw new SidecarError("USAGE", {
		value: String(value ?? '""') || '""',
		reason: "flag --after needs a commit's number",
	});
}

type Result = Awaited<ReturnType<typeof import("../library/repair.ts").repair>>;

/** Reported, and not removed: the log still cannot be read. */
function unchanged({ after, objects }: Result): SidecarError {
	return new SidecarError("OBJECT_CORRUPT", {
		reason: `${count(objects.length, "object")} after commit ${after} would be removed, and nothing was`,
		remedy: "check the list, then repeat the command with --yes",
	});
}

function shown({ after, removed, objects }: Result): string[] {
	if (objects.length === 0) return [`nothing follows commit ${after}: nothing to remove`];
	const lines = objects.map(({ key, seq, bytes, timeMs, error, copy }) => {
		const where = copy === undefined ? "" : `; copy: ${shownPath(copy)}`;
		return `${shownPath(key)}  commit ${seq}, ${humanBytes(bytes)}, ${isoTime(timeMs)}: [${error.code}] ${error.message}${where}`;
	});
	return removed
		? [...lines, `removed ${count(objects.length, "object")}; commit ${after} is the newest now`]
		: lines;
}

function forProgram({ timeMs, error, seq, copy, ...rest }: Result["objects"][number]): object {
	return {
		...rest,
		seq,
		time: isoTime(timeMs),
		code: error.code,
		reason: error.message,
		copy: copy ?? null,
	};
}
