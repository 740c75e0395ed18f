/** Describes for people what the log does not cover. */
import type { Coverage } from "../library/coverage.ts";
import { remedyFor } from "../library/coverage.ts";
import { leftOutLines } from "../library/left-out.ts";
import type { StartReceipt } from "../library/start-receipt.ts";
import { humanBytes } from "../telemetry/format.ts";
import { count, shownPath } from "./format.ts";

/** Maximum number of listed places; the rest is counted. */
const SHOWN_GAPS = 10;

type Row = [label: string, text: string];

/** Empty if the log covers everything. */
export function coverageRows(coverage: Coverage | undefined): Row[] {
	if (coverage === undefined) return [];
	const { gaps, leftOut } = coverage;
	const more = gaps.length - SHOWN_GAPS;
	return [
		...gaps.slice(0, SHOWN_GAPS).map(({ path, by, kind }): Row => {
			const why =
				kind === "outside"
					? "it is outside the workspace, and no --root includes it"
					: "it is left out of the log";
			const who = by.startsWith("agents.")
				? `OpenClaw assigns it to an agent (${shownPath(by)})`
				: shownPath(by);
			return ["NOT KEPT", `${shownPath(path)}: ${who}; ${why}`];
		}),
		...(more > 0 ? [["NOT KEPT", `and ${count(more, "more place")}`] as Row] : []),
		...(gaps.length > 0 ? [["what to do", remedyFor(coverage)] as Row] : []),
		...leftOutLines(leftOut).map((line): Row => ["left out", line]),
	];
}

/** "everything", or a weaker word if something is not stored. */
export function everything(coverage: Coverage | undefined, hasExcluded: boolean): string {
	if (coverage === undefined || coverage.gaps.length > 0) return "everything in the workspace";
	return hasExcluded ? "everything else" : "everything";
}

/** Qualifies a sentence that says "everything is durable". */
export function exceptions(coverage: Coverage | undefined): string {
	if (coverage === undefined) return "";
	const { gaps, leftOut } = coverage;
	const files = leftOut.byProfile.files + leftOut.byIgnoreFile.files;
	const bytes = leftOut.byProfile.bytes + leftOut.byIgnoreFile.bytes;
	return [
		...(gaps.length > 0 ? [`; ${count(gaps.length, "place")} NOT KEPT`] : []),
		...(isLeftOut(coverage)
			? [
					`; left out: ${leftOut.isComplete ? "" : "at least "}${count(files, "file")}, ${humanBytes(bytes)}`,
				]
			: []),
	].join("");
}

export function isLeftOut(coverage: Coverage | undefined): boolean {
	return (
		coverage !== undefined &&
		coverage.leftOut.byProfile.count + coverage.leftOut.byIgnoreFile.count > 0
	);
}

export function receiptLine({
	verdict,
	commit,
	files,
	bytes,
	missing,
	outside,
	unknown,
}: StartReceipt): string {
	const restored =
		commit === 0
			? "the log is empty"
			: `restored ${count(files, "file")}, ${humanBytes(bytes)} of commit ${commit}`;
	const lacking = missing.map(({ path, files }) => `${shownPath(path)} (${count(files, "file")})`);
	return [
		`${verdict}: ${restored}`,
		...listed("missing", lacking),
		...listed("outside", outside.map(shownPath)),
		...listed("unknown", unknown.map(shownPath)),
	].join("; ");
}

function listed(what: string, names: readonly string[]): string[] {
	if (names.length === 0) return [];
	const more = names.length - SHOWN_GAPS;
	return [
		`${what}: ${names.slice(0, SHOWN_GAPS).join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
	];
}
