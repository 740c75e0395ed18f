/**
 * The rows of docs/reliability.md. `pnpm docs:write` generates its tables from them and leaves the
 * other text alone.
 */
import { table, withTables } from "../../src/library/doctor/document.ts";
import { testOf } from "../test-ids.ts";
import { FAULTS } from "./faults.ts";
import { INCIDENTS } from "./incidents.ts";
import { LATENT_DEFECTS } from "./latent-defects.ts";
import { MACHINES } from "./machines.ts";
import { REAL_DISKS } from "./real-disks.ts";

export interface Row {
	/** Unique and visible. Titles of tests refer to it. */
	readonly id: string;
	/** Links to the publication, or the situation. */
	readonly where?: string;
	readonly happened: string;
	/** The mechanism that prevents it here. */
	readonly rule: string;
	/** Ids of the tests that reproduce it. */
	readonly tests: readonly string[];
	/**
	 * The exception to the row that "Known limits" lists, as "for ..." or "without ...". Otherwise
	 * the row holds fully.
	 */
	readonly limit?: string;
}

interface Table {
	/** The columns without the tests and the result. */
	readonly heads: readonly string[];
	readonly rows: readonly Row[];
}

const FAULT_HEADS = ["fault", "what happens", "what prevents a loss"];
const INCIDENT_HEADS = ["no.", "where", "cause", "what prevents it here"];

/** By the name that marks the table's place in the page. */
const TABLES: Readonly<Record<string, Table>> = {
	incidents: { heads: INCIDENT_HEADS, rows: INCIDENTS },
	"latent-defects": { heads: INCIDENT_HEADS, rows: LATENT_DEFECTS },
	"real-disks": {
		heads: ["no.", "what happens", "cause of the loss", "what prevents it here"],
		rows: REAL_DISKS,
	},
	faults: { heads: FAULT_HEADS, rows: FAULTS },
	machines: { heads: FAULT_HEADS, rows: MACHINES },
};

export const ROWS: readonly Row[] = Object.values(TABLES).flatMap(({ rows }) => rows);

/**
 * @param text of docs/reliability.md
 * @returns the text with every table generated from the current rows and tests
 */
export function reliabilityPage(text: string): string {
	const made = Object.entries(TABLES).map(
		([name, { heads, rows }]) =>
			[name, () => table([...heads, "tests", "result"], rows.map(cellsOf))] as const,
	);
	return withTables("docs/reliability.md", text, Object.fromEntries(made));
}

function cellsOf({ id, where, happened, rule, tests, limit }: Row): readonly string[] {
	const result = limit === undefined ? "kept" : `kept; [limit](#known-limits) ${limit}`;
	return [id, ...(where === undefined ? [] : [where]), happened, rule, references(tests), result];
}

/** `file` "title"; "another title of it"; `next file` "title" */
function references(ids: readonly string[]): string {
	const named = ids.map(testOf);
	return named
		.map(({ file, title }, index) => {
			const isNew = file !== named[index - 1]?.file;
			return `${isNew ? `\`${file.replace("packages/sidecar/", "")}\` ` : ""}"${title}"`;
		})
		.join("; ");
}
