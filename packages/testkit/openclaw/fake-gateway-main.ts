/**
 * `node fake-gateway-main.ts STATE_DIR PORT [--without-cache]` runs a FakeGateway as a process. It
 * serves the loopback interface: `GET /readyz`, and `POST /turn`. The body of a turn is the user's
 * message, and the response is a TurnResult.
 */
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { FakeGateway } from "./fake-gateway.ts";

const [stateDir, port, cache] = process.argv.slice(2);
if (
	stateDir === undefined ||
	port === undefined ||
	(cache ?? "--without-cache") !== "--without-cache"
) {
	console.error("usage: fake-gateway-main.ts STATE_DIR PORT [--without-cache]");
	process.exit(2);
}

const gateway = new FakeGateway(stateDir, { withCache: cache === undefined });
try {
	gateway.start();
} catch (error) {
	console.error((error as Error).message);
	process.exit(1);
}

const server = createServer(async (request, response) => {
	const answer = (status: number, body: object) =>
		response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
	try {
		if (request.method === "GET" && request.url === "/readyz") return answer(200, { ready: true });
		if (request.method === "POST" && request.url === "/turn")
			return answer(200, gateway.turn(await text(request)));
		return answer(404, { error: "GET /readyz or POST /turn" });
	} catch (error) {
		return answer(500, { error: (error as Error).message });
	}
});
server.listen(Number(port), "127.0.0.1");

process.once("SIGTERM", () => {
	server.close();
	server.closeAllConnections();
	gateway.stop();
});
