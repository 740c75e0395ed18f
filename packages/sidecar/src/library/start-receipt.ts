/**
 * Receipt of a start: what was restored, what is missing and what is not stored. One event and one
 * line, before the agent runs.
 */

import { quarantinedIn } from "../commit/quarantined.ts";
import { quarantineHome } from "../log/safe-path.ts";
import type { Session } from "../session/session.ts";
import type { Gaps } from "./coverage.ts";

export interface StartReceipt {
	/**
	 * COMPLETE: this disk has everything in the log, and nothing that the agent is known to use is
	 * outside.
	 */
	readonly verdict: "COMPLETE" | "INCOMPLETE";
	/** What was restored; 0 for an empty log. */
	readonly commit: number;
	readonly files: number;
	readonly bytes: number;
	/**
	 * Paths that the log has and this disk lacks: roots that are not configured here, volumes that
	 * are not mounted, and quarantined data below `.recovered/`.
	 */
	readonly missing: readonly {
		readonly path: string;
		readonly files: number;
		readonly bytes: number;
	}[];
	/** Absolute: places that are not stored. */
	readonly outside: readonly string[];
}

export function startReceipt(
	{ restored, head }: Pick<Session, "restored" | "head">,
	{ gaps }: Gaps,
): StartReceipt {
	const quarantined = quarantinedIn(head.tree).map(({ writer, files, bytes }) => ({
		path: quarantineHome(writer),
		files,
		bytes,
	}));
	const missing = [
		...[...restored.elsewhere, ...restored.away].map(({ path, files, bytes }) => ({
			path,
			files,
			bytes,
		})),
		...quarantined,
	];
	const outside = gaps.map(({ path }) => path);
	return {
		verdict: missing.length + outside.length === 0 ? "COMPLETE" : "INCOMPLETE",
		commit: restored.head.seq,
		files: restored.files,
		bytes: restored.bytes,
		missing,
		outside,
	};
}
