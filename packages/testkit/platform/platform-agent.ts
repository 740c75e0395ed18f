/**
 * A small agent with a memory, as a program. It appends every prompt to `memory.jsonl` in its
 * workspace, and answers with the number of prompts. The prompt `crash` ends it. As with OpenClaw,
 * a token in its `openclaw.json` overrides that of the environment. Arguments: port, workspace.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
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
	const turns = readFileSync(memory, "utf8").trim().split("\n").length;
	const content = `turn ${turns} of ${user}`;
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
