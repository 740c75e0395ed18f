import type { RestoreChange } from "../restore/planned-changes.ts";
import { humanBytes } from "../telemetry/format.ts";
import { shownPath } from "./format.ts";

const MARKS = { added: "+", changed: "~", removed: "-", time: "~" } as const;

/** `+ notes.md  12 kB`, one line for each path. */
export function changeLines(changes: readonly RestoreChange[]): string[] {
	return changes.map(({ path, kind, type, bytes }) => {
		const slash = type === "dir" ? "/" : "";
		const size = type === "file" && kind !== "time" ? `  ${humanBytes(bytes)}` : "";
		return `${MARKS[kind]} ${shownPath(path)}${slash}${kind === "time" ? "  only its time" : size}`;
	});
}

/** `1 added, 2 removed, 12 kB`. */
export function changeSummary(changes: readonly RestoreChange[]): string {
	if (changes.length === 0) return "nothing differs";
	const of = (kind: RestoreChange["kind"]) => changes.filter((each) => each.kind === kind);
	const parts = (["added", "changed", "removed"] as const).flatMap((kind) =>
		of(kind).length === 0 ? [] : [`${of(kind).length} ${kind}`],
	);
	if (of("time").length > 0) parts.push(`${of("time").length} with another time`);
	const written = [...of("added"), ...of("changed")];
	const bytes = written.reduce((sum, each) => sum + each.bytes, 0);
	return [...parts, ...(written.length > 0 ? [humanBytes(bytes)] : [])].join(", ");
}
