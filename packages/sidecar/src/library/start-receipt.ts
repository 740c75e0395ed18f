/**
 * Receipt of a start: what was restored, what is missing, what is not stored, and where that is not
 * known. One event and one line, before the agent runs.
 */

import { quarantinedIn } from "../commit/quarantined.ts";
import { quarantineHome } from "../log/safe-path.ts";
import type { Session } from "../session/session.ts";
import type { Gaps } from "./coverage.ts";

export interface StartReceipt {
	/**
	 * COMPLETE: this disk has everything in the log, and all places that the agent is known to use
	 * are stored.
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
	/** Why there may be further such places: files not read, settings without a value. */
	readonly unknown: readonly string[];
}

export function startReceipt(
	{ restored, head }: Pick<Session, "restored" | "head">,
	{ gaps, unread, unresolved }: Gaps,
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
	const unknown = [...unread, ...unresolved];
	return {
		verdict: missing.length + outside.length + unknown.length === 0 ? "COMPLETE" : "INCOMPLETE",
		commit: restored.seq,
		files: restored.files,
		bytes: restored.bytes,
		missing,
		outside,
		unknown,
	};
}
