/**
 * Which requests are commands of OpenClaw's, and to which conversation a request belongs. Over HTTP,
 * OpenClaw gives a command to its model as text.
 *
 * Only a message of one line counts that is alone in its request's last place and begins with a name
 * that the gateway lists, or one of the sidecar's own: any other text belongs to the model, a path
 * for example.
 */
import type { Forwarded } from "../agentcore/agent-api.ts";
import type { Invocation } from "../agentcore/invocation.ts";

export interface KnownCommand {
	/** Lower case, without the slash. */
	readonly names: readonly string[];
	readonly acceptsArgs: boolean;
}

/** A command that the sidecar runs itself, whatever the gateway lists. */
export interface OwnCommand {
	readonly name: "undo" | "history" | "restore";
	/** What follows the name. */
	readonly rest: string;
}

export function ownCommand(line: string): OwnCommand | undefined {
	const [, name, rest = ""] = /^\/(undo|history|restore)(?=$|[\s:])[\s:]*(.*)$/i.exec(line) ?? [];
	return name === undefined
		? undefined
		: { name: name.toLowerCase() as OwnCommand["name"], rest: rest.trim() };
}

/** A line that may be a command; undefined: certainly text. */
export function commandLine({ kind, body }: Invocation): string | undefined {
	const { input, messages } = body;
	const last =
		kind === "responses" ? (typeof input === "string" ? input : lastOf(input)) : lastOf(messages);
	const text = typeof last === "string" ? last : textOf(last);
	return text !== undefined && /^\/[a-z][\w-]*(?:[: \t][^\r\n]*)?$/i.test(text.trim())
		? text.trim()
		: undefined;
}

/** The name of the command that this line is; undefined: it is text. */
export function commandName(line: string, known: readonly KnownCommand[]): string | undefined {
	const [, name = "", rest = ""] = /^\/([a-z][\w-]*)(?=$|[\s:])[\s:]*(.*)$/i.exec(line) ?? [];
	const command = known.find(({ names }) => names.includes(name.toLowerCase()));
	if (command === undefined || (rest !== "" && !command.acceptsArgs)) return undefined;
	return command.names[0];
}

/** From the gateway's answer to `commands.list` with scope `text`. */
export function knownCommands(payload: unknown): KnownCommand[] {
	const { commands } = (payload ?? {}) as { readonly commands?: unknown };
	if (!Array.isArray(commands)) return [];
	return commands.map(({ name, textAliases, acceptsArgs }) => ({
		names: [name, ...(Array.isArray(textAliases) ? textAliases : [])].map((each) =>
			String(each).replace(/^\//, "").toLowerCase(),
		),
		acceptsArgs: acceptsArgs === true,
	}));
}

/** The agent that `model` names; undefined: the default one. */
export function agentOf({ body: { model } }: Invocation): string | undefined {
	const [, id] = /^(?:openclaw[:/]|agent:)([a-z0-9][\w-]{0,63})$/i.exec(String(model).trim()) ?? [];
	return id === undefined || String(model).toLowerCase() === "openclaw/default"
		? undefined
		: id.toLowerCase();
}

/** As OpenClaw's two APIs derive it from `user`. */
export function sessionKey({ invocation, namespace }: Forwarded, agent: string): string {
	const api = invocation.kind === "responses" ? "openresponses" : "openai";
	return `agent:${agent}:${api}-user:${namespace.trim()}`.toLowerCase();
}

const lastOf = (list: unknown): unknown => (Array.isArray(list) ? list.at(-1) : undefined);

function textOf(message: unknown): string | undefined {
	const { role, content } = (message ?? {}) as {
		readonly role?: unknown;
		readonly content?: unknown;
	};
	if (role !== "user") return undefined;
	if (typeof content === "string") return content;
	if (!Array.isArray(content) || content.length !== 1) return undefined;
	const { type, text } = (content[0] ?? {}) as { readonly type?: unknown; readonly text?: unknown };
	return (type === "text" || type === "input_text") && typeof text === "string" ? text : undefined;
}
