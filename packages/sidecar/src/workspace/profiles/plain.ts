import type { Profile } from "./profile.ts";

/**
 * Takes everything: for a directory that is not an agent's, or an agent nobody has described yet.
 */
export const plain: Profile = {
	name: "plain",
	volatile: () => false,
	secret: () => false,
	critical: [],
	restoredLast: [],
};
