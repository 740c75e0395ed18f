/**
 * Sends a prompt to a machine that speaks AgentCore's contract, such as `openclaw-sidecar run
 * --listen`, and prints the answer as it comes.
 *
 *     node ask.ts http://127.0.0.1:8080 "hello" [token]
 *
 * On AgentCore itself the URL is that of InvokeAgentRuntime, and the token is the user's: see
 * docs/agentcore.md. The session id keeps a user on one machine.
 */
const [url = "http://127.0.0.1:8080", prompt = "hello", token] = process.argv.slice(2);

const response = await fetch(`${url}/invocations`, {
	method: "POST",
	headers: {
		"content-type": "application/json",
		accept: "text/event-stream",
		"x-amzn-bedrock-agentcore-runtime-session-id": "example-session-of-at-least-33-characters",
		...(token !== undefined && { authorization: `Bearer ${token}` }),
	},
	body: JSON.stringify({ prompt }),
});

if (!response.ok || response.body === null) {
	// Every failure is { code, message, remedy }.
	console.error(await response.text());
	process.exit(1);
}

let rest = "";
for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
	const lines = (rest + chunk).split("\n");
	rest = lines.pop() ?? "";
	for (const line of lines)
		if (line.startsWith("data: ")) process.stdout.write(JSON.parse(line.slice(6)));
}
process.stdout.write("\n");
