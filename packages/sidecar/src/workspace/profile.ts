import { openclaw } from "./profiles/openclaw.ts";
import { plain } from "./profiles/plain.ts";
import type { Profile } from "./profiles/profile.ts";

export type { Profile } from "./profiles/profile.ts";

const PROFILES: ReadonlyMap<string, Profile> = new Map(
	[openclaw, plain].map((profile) => [profile.name, profile]),
);

/** The names accepted by `profileNamed`; the first is the default. */
export const PROFILE_NAMES: readonly string[] = [...PROFILES.keys()];

export function profileNamed(name: string): Profile | undefined {
	return PROFILES.get(name);
}
