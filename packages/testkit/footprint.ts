/** What a process of the command cost, as the kernel counts it: figures that do not flicker. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PROBE = fileURLToPath(new URL("footprint-probe.mjs", import.meta.url));

export interface Footprint {
	/** All that it read and wrote: files and sockets, also from the page cache. */
	readonly readBytes: number;
	readonly writtenBytes: number;
	/** By node:fs, in all of its threads. */
	readonly opens: number;
	/** VmHWM. */
	readonly peakBytes: number;
}

/** Variables for the command. @param report a file that does not exist yet */
export function probed(report: string): Readonly<Record<string, string>> {
	return { NODE_OPTIONS: `--import=${PROBE}`, FOOTPRINT_REPORT: report };
}

/** After the command's normal end. */
export function footprintOf(report: string): Footprint {
	const text = readFileSync(report, "latin1");
	const field = (name: string) =>
		Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
	const opens = `${report}.opens`;
	return {
		readBytes: field("rchar"),
		writtenBytes: field("wchar"),
		opens: existsSync(opens) ? statSync(opens).size : 0,
		peakBytes: field("VmHWM") * 1024,
	};
}
