declare module "ws" {
	import type { EventEmitter } from "node:events";
	import type { IncomingMessage, Server } from "node:http";
	export class WebSocket extends EventEmitter {
		send(data: string | Buffer): void;
		close(code?: number, reason?: string): void;
		/** Ends the connection without a closing handshake. */
		terminate(): void;
	}
	export class WebSocketServer extends EventEmitter {
		readonly clients: ReadonlySet<WebSocket>;
		constructor(options: { readonly server: Server; readonly maxPayload?: number });
		on(event: "connection", listener: (socket: WebSocket, request: IncomingMessage) => void): this;
		close(): void;
	}
}
