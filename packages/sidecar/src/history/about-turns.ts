import { type Annotations, activeTurns, isPutBack, type Turn } from "../log/turns.ts";
import type { CommitInfo } from "../log/types.ts";

/** Who may have made the changes of a commit. */
export interface AboutTurns {
	/** Turns of the agent that ran since the commit that it is compared with; missing if none did. */
	readonly turns?: readonly Turn[] | undefined;
	/** It restored single paths, as an undo does. */
	readonly isPutBack?: true | undefined;
}

/**
 * A writer's first commit and those of superseded writers repeat what their predecessor said: they
 * tell nothing of themselves.
 * @param before of the commit that it is compared with; undefined if that is not known
 */
export function aboutTurns(
	{ annotations, flags }: CommitInfo,
	before: Annotations | undefined,
): AboutTurns {
	if (flags.fence === true || flags.recovered === true) return {};
	const turns = activeTurns(before, annotations);
	return {
		...(turns.length > 0 && { turns }),
		...(isPutBack(before, annotations) && { isPutBack: true }),
	};
}

/**
 * For commits from the newest on: gives each turn the status that the newest of them knows.
 * @returns keeps what it has seen
 */
export function newestStatuses(): <T extends AboutTurns>(about: T) => T {
	const known = new Map<string, Turn>();
	return (about) => {
		if (about.turns === undefined) return about;
		const turns = about.turns.map((turn) => {
			const key = `${turn.session}\0${turn.id}`;
			const newest = known.get(key) ?? turn;
			known.set(key, newest);
			return newest;
		});
		return { ...about, turns };
	};
}
