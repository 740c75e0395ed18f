import type { Environment } from "../commit/environment.ts";
import type { LogWriter } from "../commit/log-writer.ts";
import { untilResolved } from "../commit/until-resolved.ts";
import { SidecarError } from "../errors.ts";
import { dropDelta, type Selection, selectQuarantined } from "../history/select-quarantined.ts";

/** Slots lost in a row before giving up. */
const ATTEMPTS = 10;

export interface DropOptions {
	/** Flags the commit `closed`: this writer commits nothing after it. */
	readonly closed: boolean;
	readonly signal?: AbortSignal | undefined;
}

export interface Dropped {
	/** Files and links. */
	readonly files: number;
	/** The commit that dropped them; undefined if there was nothing to drop. */
	readonly seq: number | undefined;
}

/**
 * Commits once to remove resolved files from `.recovered/`. History keeps them. The writer must
 * hold the fence and have no undecided commit.
 * @throws SidecarError PATH_NOT_FOUND, USAGE, SUPERSEDED, STORE_*, NOT_DURABLE
 */
export async function dropQuarantined(
	writer: LogWriter,
	environment: Environment,
	wanted: Selection,
	options: DropOptions,
): Promise<Dropped> {
	// Other writers quarantined files while the owner had nothing to write: its head does not show
	// that yet.
	await writer.lookForNews(options.signal);
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (writer.isSuperseded)
			throw new SidecarError("SUPERSEDED", {
				reason: "only the owner of the tree can drop quarantined files",
			});
		const { tree } = writer.head;
		const delta = dropDelta(tree, selectQuarantined(tree, wanted));
		if (delta.removed.size === 0) return { files: 0, seq: undefined };
		const files = [...delta.removed].filter((path) => tree.get(path)?.type !== "dir").length;
		const outcome = await untilResolved(
			writer,
			environment,
			await writer.commit(delta, [], options.closed ? { closed: true } : {}, options),
			options,
		);
		if (outcome.kind === "committed") return { files, seq: outcome.seq };
	}
	throw new SidecarError("NOT_DURABLE", {
		reason: `the log's next slot was lost ${ATTEMPTS} times in a row`,
	});
}
