/** Reports what is not stored, and leaves out no user's file by its name. */
import type { Mutation } from "./table.ts";

export const PROFILE: readonly Mutation[] = [
	{
		id: "work-locks-kept",
		rule: "lock files in work directories are kept",
		file: "src/workspace/profiles/openclaw.ts",
		find: '	"/migration/*.lock",',
		replace: '	"*.lock",',
		test: "openclaw-keeps-worktree-lock",
	},
	{
		id: "plugins-kept",
		rule: "plugins are kept with their dependencies",
		file: "src/workspace/profiles/openclaw.ts",
		find: '	"/plugin-skills/",',
		replace: '	"/plugin-skills/",\n	"/extensions/**/node_modules/",',
		test: "openclaw-keeps-plugin-modules",
	},
	{
		id: "durable-with-gaps",
		rule: "no report says that everything is durable when a place is outside",
		file: "src/cli/format-coverage.ts",
		find: 'coverage === undefined || coverage.gaps.length > 0) return "everything in the workspace";',
		replace: 'coverage === undefined) return "everything in the workspace";',
		test: "outside-place-named",
	},
	{
		id: "outward-links",
		rule: "links that lead out of the workspace are reported",
		file: "src/library/coverage.ts",
		find: "\t\tif (place !== undefined && gapAt(place, roots, filter) !== undefined)",
		replace: '\t\tif (place !== undefined && gapAt(place, roots, filter)?.kind === "left-out")',
		test: "outward-links-named",
	},
	{
		id: "start-incomplete",
		rule: "a start without all that the log has is INCOMPLETE",
		file: "src/library/start-receipt.ts",
		find: "missing.length + outside.length + unknown.length === 0",
		replace: "outside.length + unknown.length === 0",
		test: "receipt-incomplete",
	},
	{
		id: "start-unknown",
		rule: "a start that cannot know what is stored is INCOMPLETE",
		file: "src/library/start-receipt.ts",
		find: "missing.length + outside.length + unknown.length === 0",
		replace: "missing.length + outside.length === 0",
		test: "receipt-unknown",
	},
	{
		id: "config-constant",
		rule: "OpenClaw's effective configuration is the same on each machine",
		file: "src/openclaw/config.ts",
		find: 'token: variableRef("OPENCLAW_GATEWAY_TOKEN")',
		replace: 'token: variable("OPENCLAW_GATEWAY_TOKEN")',
		test: "openclaw-config-constant",
	},
	{
		id: "config-of-the-user",
		rule: "of a user's openclaw.json, only the token that the sidecar wrote is replaced",
		file: "src/openclaw/migrate-token.ts",
		find: "return isDeepStrictEqual(JSON5.parse(migrated.toString()), expected) ? migrated : undefined;",
		replace: "return migrated;",
		test: "openclaw-file-kept",
	},
];
