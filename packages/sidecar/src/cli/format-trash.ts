import { localTime, parseTime } from "../history/when.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Context } from "./command.ts";
import { count, isoTime, shownPath } from "./format.ts";

/** `recover --trash`. */
export async function listTrash(
	{ config, out }: Context,
	path: string | undefined,
): Promise<number> {
	const library = await import("../library/trash.ts");
	const trash = await library.listTrash({ settings: config, path });
	if (config.json) {
		await out.json({
			trash: trash.map(({ timeMs, ...each }) => ({ ...each, time: isoTime(timeMs) })),
		});
		return 0;
	}
	if (trash.length === 0) await out.line("the trash is empty");
	for (const { restore, timeMs, entries } of trash) {
		const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
		await out.line(
			`${restore}  ${count(entries.length, "file")}, ${humanBytes(bytes)}, ${localTime(timeMs)}`,
		);
		for (const { path: each, at, bytes: size, isOnlyCopy, isExcluded } of entries) {
			const note = isOnlyCopy ? "  in no commit yet" : isExcluded ? "  excluded, in no commit" : "";
			await out.line(`  ${shownPath(each)}  ${humanBytes(size)}  ${shownPath(at)}${note}`);
		}
	}
	return 0;
}

/** `recover --trash --to DIR`. */
export async function trashTo(
	{ config, out }: Context,
	path: string | undefined,
	to: string,
): Promise<number> {
	const library = await import("../library/trash.ts");
	const result = await library.trashTo({ settings: config, path, to });
	if (config.json) await out.json(result);
	else if (result.files === 0 && result.skipped.length === 0) await out.line("the trash is empty");
	else {
		await out.line(`copied ${count(result.files, "file")}, ${humanBytes(result.bytes)}`);
		for (const directory of result.directories) await out.line(shownPath(directory));
		for (const at of result.skipped)
			await out.line(`skipped ${shownPath(at)}: it is a socket, a FIFO or a device`);
	}
	return 0;
}

/** `recover --empty-trash [AGE]`. @param age undefined: everything */
export async function emptyTrash(
	{ config, out }: Context,
	age: string | undefined,
): Promise<number> {
	const library = await import("../library/trash.ts");
	const before = age === undefined ? undefined : await parseTime(age, Date.now());
	const result = await library.emptyTrash({ settings: config, beforeMs: before?.fromMs });
	if (config.json) {
		await out.json(result);
		return 0;
	}
	const { files, bytes, onlyCopies, excluded, younger } = result;
	await out.line(`deleted ${count(files, "file")}, ${humanBytes(bytes)}`);
	if (onlyCopies > 0)
		await out.line(
			`kept     ${count(onlyCopies, "file")} in no commit yet; \`openclaw-sidecar flush\` commits them`,
		);
	if (excluded > 0)
		await out.line(
			`kept     ${count(excluded, "excluded file")}, the only copy: see \`openclaw-sidecar recover --trash\`, and delete by hand what you do not need`,
		);
	if (younger > 0) await out.line(`kept     ${count(younger, "younger file")}`);
	return 0;
}
