/**
 * A forward proxy like those in company networks, as a process. It accepts absolute-form requests,
 * and CONNECT for TLS. It prints its port, then one line per request.
 */
import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";

const server = createServer((incoming, outgoing) => {
	console.log(`${incoming.method} ${incoming.url?.split("?")[0]}`);
	const { "proxy-authorization": _, ...headers } = incoming.headers;
	const onward = request(
		incoming.url as string,
		{ method: incoming.method ?? "GET", headers },
		(answer) => {
			outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
			answer.pipe(outgoing);
		},
	);
	onward.on("error", () => outgoing.destroy());
	incoming.pipe(onward);
});

server.on("connect", ({ url = "" }, socket, head) => {
	console.log(`CONNECT ${url}`);
	const [host = "", port] = url.split(":");
	const onward = connect(Number(port), host, () => {
		socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
		onward.write(head);
		onward.pipe(socket).pipe(onward);
	});
	for (const end of [onward, socket])
		end.on("error", () => [onward, socket].map((each) => each.destroy()));
});

server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
