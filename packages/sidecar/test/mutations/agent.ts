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
	{
		id: "agent-status",
		rule: "no status of the agent says that its turn has not begun, except its own refusal to begin",
		file: "src/agentcore/agent-api.ts",
		find: "		if (status === 503 && text.includes(NOT_ADMITTED))",
		replace: "		if (status === 503 || status === 429 || text === NOT_ADMITTED)",
		test: "agent-status-not-repeatable",
	},
	{
		id: "page-without-token",
		rule: "a web page sends no request without a user's token",
		file: "src/agentcore/contract.ts",
		find: "			if (isFromPage && !needsToken)",
		replace: "			if (isFromPage && needsToken)",
		test: "page-without-token",
	},
	{
		id: "model-named-once",
		rule: "only the checked `model` names a model",
		file: "src/model/request.ts",
		find: "	if (others.length > 0)",
		replace: "	if (others.length > 99)",
		test: "model-named-once",
	},
	{
		id: "command-outlives-caller",
		rule: "no turn starts beside a command whose caller has gone",
		file: "src/openclaw/turns.ts",
		find: "			resolve(Promise.allSettled([running ?? earlier]));",
		replace: "			resolve(undefined);",
		test: "command-outlives-caller",
	},
	{
		id: "agent-output",
		rule: "what an agent on a platform prints is no line of the sidecar's log",
		file: "src/daemon/agent.ts",
		find: "				output === undefined",
		replace: "				output !== undefined",
		test: "agent-output-forges-nothing",
	},
];
