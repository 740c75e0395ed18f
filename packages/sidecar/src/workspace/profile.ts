import { openclaw } from "./profiles/openclaw.ts";
import { plain } from "./profiles/plain.ts";
import type { Profile } from "./profiles/profile.ts";

export type { Annotations, Profile } from "./profiles/profile.ts";

const PROFILES: ReadonlyMap<string, Profile> = new Map(
	[openclaw, plain].map((profile) => [profile.name, profile]),
);

export function profileNamed(name: string): Profile | undefined {
	return PROFILES.get(name);
}
