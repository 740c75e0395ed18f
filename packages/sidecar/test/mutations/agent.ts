import type { Mutation } from "./table.ts";

export const AGENT: readonly Mutation[] = [
	{
		id: "interrupted-turn",
		rule: "a turn that the end interrupted is not reported as one that may be repeated",
		file: "src/agentcore/http-refusal.ts",
		find: '		case "AGENT_UNREACHABLE":\n		case "TURN_INTERRUPTED":\n			return new HttpRefusal(502, error);',
		replace:
			'		case "AGENT_UNREACHABLE":\n			return new HttpRefusal(502, error);\n		case "TURN_INTERRUPTED":\n			return new HttpRefusal(503, error);',
		test: "interrupted-turn-not-repeated",
	},
	{
		id: "between-turns",
		rule: "a time means the last commit before a running turn",
		file: "src/history/between-turns.ts",
		find: '		if (entry.turn === "running") {',
		replace: "		if (entry.seq < 0) {",
		test: "time-between-turns",
	},
	{
		id: "owners-annotations",
		rule: "only the owner of the tree annotates it",
		file: "src/log/fold.ts",
		find: "		leftOut: head.leftOut + leftOut,\n		annotations: owns ? (info.annotations ?? []) : head.annotations,",
		replace: "		leftOut: head.leftOut + leftOut,\n		annotations: info.annotations ?? [],",
		test: "foreign-annotations",
	},
];
