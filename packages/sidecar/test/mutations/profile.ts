/** Reports what is not stored, and leaves out no user's file by its name. */
import type { Mutation } from "./table.ts";

export const PROFILE: readonly Mutation[] = [
	{
		rule: "lock files in work directories are kept",
		file: "src/workspace/profiles/openclaw.ts",
		find: '	"/migration/*.lock",',
		replace: '	"*.lock",',
		test: { file: "src/workspace/profiles/openclaw.test.ts", name: "worktrees/repo/task/yarn.lock" },
	},
	{
		rule: "plugins are kept with their dependencies",
		file: "src/workspace/profiles/openclaw.ts",
		find: '	"/plugin-skills/",',
		replace: '	"/plugin-skills/",\n	"/extensions/**/node_modules/",',
		test: { file: "src/workspace/profiles/openclaw.test.ts", name: "extensions/mine/node_modules/x/index.js" },
	},
	{
		rule: "everything is durable is not said when a place is outside",
		file: "src/cli/coverage-words.ts",
		find: 'coverage === undefined || coverage.gaps.length > 0) return "everything in the workspace";',
		replace: 'coverage === undefined) return "everything in the workspace";',
		test: {
			file: "src/cli/coverage.test.ts",
			name: "names a place outside in flush, status, doctor and run, and none of them says that everything is durable",
		},
	},
	{
		rule: "links that lead out of the workspace are told",
		file: "src/library/coverage.ts",
		find: "if (place !== undefined && gapAt(place, roots, filter) !== undefined) outward.push",
		replace: 'if (place !== undefined && gapAt(place, roots, filter)?.kind === "left-out") outward.push',
		test: {
			file: "src/library/coverage.test.ts",
			name: "names what a link leads to: a directory, a file, a relative one, a chain, and a place that is not there",
		},
	},
	{
		rule: "a start without all that the log has is INCOMPLETE",
		file: "src/library/start-receipt.ts",
		find: "missing.length + outside.length === 0",
		replace: "outside.length === 0",
		test: { file: "src/library/start-receipt.test.ts", name: "is INCOMPLETE while the log has what this disk does not" },
	},
];
