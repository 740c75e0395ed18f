import type { Profile } from "./profile.ts";

/** Stores everything: for a directory that is not an agent's, or for an agent without a profile. */
export const plain: Profile = {
	name: "plain",
	volatile: () => undefined,
	secret: () => false,
	critical: [],
	restoredLast: [],
};
