/**
 * A small agent with a memory, as a program. It appends every prompt to `memory.jsonl` in its
 * workspace, and answers with the number of prompts. The prompt `crash` ends it, and `hang` is never
 * answered. At `ask the model` it answers with its model's answer, at `in markdown` in Markdown, at
 * `look around` with everything it can read of the machine. As with OpenClaw, a token in its `openclaw.json` overrides that of the
 * environment. Arguments: port, workspace.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [port = "", workspace = ""] = process.argv.slice(2);
const memory = join(workspace, "memory.jsonl");
const token = ownToken() ?? process.env.OPENCLAW_GATEWAY_TOKEN ?? "";

process.on("SIGTERM", () => process.exit(0));

createServer(async (request, response) => {
	const json = (status: number, body: object) =>
		response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
	if (request.url === "/readyz") return json(200, { ready: true });
	if (token === "" || request.headers.authorization !== `Bearer ${token}`) return json(401, {});
	let text = "";
	for await (const part of request) text += part;
	const { messages, stream, user } = JSON.parse(text);
	const prompt = messages.at(-1).content;
	if (prompt === "crash") process.exit(1);
	appendFileSync(memory, `${JSON.stringify({ user, prompt })}\n`);
	if (prompt === "hang") return;
	const turns = readFileSync(memory, "utf8").trim().split("\n").length;
	const content =
		prompt === "ask the model"
			? await askModel(user)
			: prompt === "look around"
				? lookAround()
				: prompt === "in markdown"
					? `**Turn** \`${turns}\` of ${user}\n\n- 1 < 2`
					: `turn ${turns} of ${user}`;
	if (!stream) return json(200, { choices: [{ message: { role: "assistant", content } }] });
	response.writeHead(200, { "content-type": "text/event-stream" });
	for (const delta of content.split(" "))
		response.write(
			`data: ${JSON.stringify({ choices: [{ delta: { content: `${delta} ` } }] })}\n\n`,
		);
	return response.end("data: [DONE]\n\n");
}).listen(Number(port), "127.0.0.1");

function ownToken(): string | undefined {
	const config = join(workspace, "openclaw.json");
	const token = existsSync(config)
		? JSON.parse(readFileSync(config, "utf8")).gateway.auth.token
		: undefined;
	return typeof token !== "string" || token.startsWith("$") ? undefined : token;
}

/** As a client of the Messages API that is configured by its usual variables. */
async function askModel(user: string): Promise<string> {
	const response = await fetch(`${process.env.ANTHROPIC_BASE_URL}/v1/messages`, {
		method: "POST",
		headers: {
			"x-api-key": process.env.ANTHROPIC_API_KEY ?? "",
			"content-type": "application/json",
		},
		body: JSON.stringify({
			model: "global.anthropic.claude-opus-5",
			max_tokens: 100,
			messages: [{ role: "user", content: `hello from ${user}` }],
		}),
	});
	return `${response.status} ${await response.text()}`;
}

/** Its own and all other processes' environments and arguments, and every file beside its workspace. */
function lookAround(): string {
	const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
	const paths = [
		...processes.flatMap((pid) => [`/proc/${pid}/environ`, `/proc/${pid}/cmdline`]),
		...filesBelow(join(workspace, "../..")),
	];
	const seen = paths.flatMap((path) => orNothing(() => [`${path}: ${readFileSync(path, "utf8")}`]));
	return [JSON.stringify(process.env), ...seen].join("\n");
}

function filesBelow(directory: string): readonly string[] {
	return orNothing(() =>
		readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
			const path = join(directory, entry.name);
			return entry.isDirectory() ? filesBelow(path) : [path];
		}),
	);
}

function orNothing(read: () => readonly string[]): readonly string[] {
	try {
		return read();
	} catch {
		return [];
	}
}
