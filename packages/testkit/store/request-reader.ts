/**
 * Counts the requests of one connection by their heads, and skips bodies by their announced length.
 */
export class RequestReader {
	readonly #onRequest: (name: string) => void;
	#head = "";
	#bodyBytes = 0;
	#isLost = false;

	/**
	 * @param onRequest is called with `GET`, `HEAD`, `PUT`, `LIST`, …; and once with `UNCOUNTED` if a
	 * body has no length
	 */
	constructor(onRequest: (name: string) => void) {
		this.#onRequest = onRequest;
	}

	read(bytes: Buffer): void {
		let at = 0;
		while (at < bytes.length && !this.#isLost) {
			if (this.#bodyBytes > 0) {
				const skipped = Math.min(this.#bodyBytes, bytes.length - at);
				this.#bodyBytes -= skipped;
				at += skipped;
				continue;
			}
			const before = this.#head.length;
			this.#head += bytes.toString("latin1", at, Math.min(bytes.length, at + MAX_HEAD_BYTES));
			const end = this.#head.indexOf("\r\n\r\n");
			if (end < 0) {
				this.#isLost = this.#head.length > MAX_HEAD_BYTES;
				return;
			}
			at += end + 4 - before;
			this.#take(this.#head.slice(0, end));
			this.#head = "";
		}
	}

	#take(head: string): void {
		const [method = "", target = ""] = head.split(" ", 2);
		this.#onRequest(method === "GET" && /[?&]list-type=/.test(target) ? "LIST" : method);
		this.#bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
		if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
			this.#isLost = true;
			this.#onRequest("UNCOUNTED");
		}
	}
}

const MAX_HEAD_BYTES = 64 * 1024;
