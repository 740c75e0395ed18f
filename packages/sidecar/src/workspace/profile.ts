import type { DatabaseSync } from "node:sqlite";
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

/** The same, but its annotations contain nothing that people write. */
export function withoutTexts(profile: Profile): Profile {
	const { annotateSqlite } = profile;
	if (annotateSqlite === undefined) return profile;
	// Not a copy of its own properties: it may be an object of a class.
	return Object.create(profile, {
		annotateSqlite: {
			enumerable: true,
			value: (path: string, database: DatabaseSync) =>
				annotateSqlite.call(profile, path, database, { withTexts: false }),
		},
	}) as Profile;
}
