import type { Mutation } from "./table.ts";

/** Commands, turns and attachments of OpenClaw's. */
export const OPENCLAW: readonly Mutation[] = [
	{
		id: "no-second-turn",
		rule: "a request is sent again only if no turn began since it was sent",
		file: "src/openclaw/dialect.ts",
		find: '	if (typeof startedAt !== "number" || startedAt >= sentAtMs) return false;',
		replace: '	if (typeof startedAt !== "number") return false;',
		test: "no-second-turn",
	},
	{
		id: "command-waits-for-turn",
		rule: "a command waits for the turns of its conversation",
		file: "src/openclaw/turns.ts",
		find: "			await until(before, signal);",
		replace: "			void [before, signal];",
		test: "command-waits-for-turn",
	},
	{
		id: "stop-ends-requests",
		rule: "/stop ends the turns whose requests are under way",
		file: "src/openclaw/dialect.ts",
		find: "			this.#turns.stop(conversation, stopped),",
		replace: `			this.#turns.stop("another", stopped),`,
		test: "stop-does-not-wait",
	},
	{
		id: "text-is-no-command",
		rule: "a text is no command if its name takes no arguments",
		file: "src/openclaw/commands.ts",
		find: '	if (command === undefined || (rest !== "" && !command.acceptsArgs)) return undefined;',
		replace: "	if (command === undefined) return undefined;",
		test: "text-is-no-command",
	},
	{
		id: "image-for-a-model-without",
		rule: "an image that the model would never see is refused",
		file: "src/openclaw/attachments.ts",
		find: "		if (images.length > 0 && !takesImages())",
		replace: "		if (images.length > MAX_IMAGES && !takesImages())",
		test: "image-for-a-model-without",
	},
	{
		id: "undo-of-this-conversation",
		rule: "/undo is about the conversation of its request",
		file: "src/openclaw/dialect.ts",
		find: "			return await run(command, key);",
		replace: '			return await run(command, key && "agent:main:main");',
		test: "undo-of-this-conversation",
	},
	{
		id: "unreadable-begins-a-turn",
		rule: "an event that cannot be read begins a turn, so that two turns never become one",
		file: "src/workspace/profiles/openclaw-turns.ts",
		find: "	} catch {\n		return unread;",
		replace: "	} catch {\n		return undefined;",
		test: "unreadable-begins-a-turn",
	},
	{
		id: "label-masks-secrets",
		rule: "a secret in the message of a turn is masked before the text is cut",
		file: "src/workspace/profiles/openclaw-turns.ts",
		find: "const line = masked(",
		replace: "const line = String(",
		test: "label-masks-secrets",
	},
];
