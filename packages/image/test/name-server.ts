/**
 * A name server that knows no name, and remembers which ones it was asked for: the hosts that a
 * container would have contacted.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

const HEADER_BYTES = 12;
/** A response, recursion available, the name does not exist. */
const NO_SUCH_NAME = 0x8183;

export class NameServer implements AsyncDisposable {
	readonly asked: string[] = [];
	readonly #socket: Socket;

	private constructor(socket: Socket) {
		this.#socket = socket;
		socket.on("message", (query, from) => {
			const name = nameIn(query);
			this.asked.push(name);
			const answer = Buffer.from(query.subarray(0, HEADER_BYTES + name.length + 6));
			answer.writeUInt16BE(NO_SUCH_NAME, 2);
			// No additional records, such as the query's own EDNS.
			answer.fill(0, 6, HEADER_BYTES);
			socket.send(answer, from.port, from.address);
		});
	}

	/** On the port where every resolver looks; needs root. */
	static async start(): Promise<NameServer> {
		const socket = createSocket("udp4");
		socket.bind(53, "127.0.0.1");
		await once(socket, "listening");
		return new NameServer(socket);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#socket.close();
		await once(this.#socket, "close");
	}
}

/** The name of the first question: labels, each after its length. */
function nameIn(query: Buffer): string {
	const labels: string[] = [];
	for (let at = HEADER_BYTES; (query[at] ?? 0) > 0; at += (query[at] ?? 0) + 1)
		labels.push(query.toString("latin1", at + 1, at + 1 + (query[at] ?? 0)));
	return labels.join(".");
}
