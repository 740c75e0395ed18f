import { Writable } from "node:stream";
import { SidecarError } from "../errors.ts";

/**
 * Written at once when this much has gathered, so that a listing of 100,000 lines is not 100,000
 * system calls.
 */
const BATCH_CHARACTERS = 64 * 1024;

/**
 * Stdout: it carries a command's result and nothing else. A reader that goes away (`| head`) is no
 * error.
 */
export class Output {
	readonly #stream: NodeJS.WriteStream;
	#pending = "";
	#isClosed = false;
	#hasRaw = false;

	constructor(stream: NodeJS.WriteStream) {
		this.#stream = stream;
		// Told by the callback of the write; without a listener it would end the process.
		stream.on("error", () => {});
	}

	/** Nobody reads any more: what is left need not be made. */
	get isClosed(): boolean {
		return this.#isClosed;
	}

	/** A file's bytes went out: nothing else may follow them on stdout. */
	get hasRaw(): boolean {
		return this.#hasRaw;
	}

	/** For bytes as they are. A failure to write is judged by `run`. */
	raw(): Writable {
		return new Writable({
			write: (chunk: Buffer, _encoding, done) => {
				this.#hasRaw = true;
				this.#stream.write(chunk, done);
			},
		}).on("error", () => {});
	}

	async line(text: string): Promise<void> {
		this.#pending += `${text}\n`;
		if (this.#pending.length >= BATCH_CHARACTERS) await this.flush();
	}

	async json(value: object): Promise<void> {
		await this.line(JSON.stringify(value));
	}

	/**
	 * @throws SidecarError USAGE where stdout cannot be written for another reason than a closed pipe
	 */
	async flush(): Promise<void> {
		const text = this.#pending;
		this.#pending = "";
		if (text === "" || this.#isClosed) return;
		await this.run(
			() =>
				new Promise<void>((resolve, reject) =>
					this.#stream.write(text, (error) => (error ? reject(error) : resolve())),
				),
		);
	}

	/** Runs what writes to the stream by itself. */
	async run(write: () => Promise<unknown>): Promise<void> {
		try {
			await write();
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code;
			if (error instanceof SidecarError || (error as NodeJS.ErrnoException).syscall !== "write")
				throw error;
			if (code !== "EPIPE")
				throw new SidecarError("USAGE", {
					value: "stdout",
					reason: `cannot be written: ${code}`,
					remedy: "write the result elsewhere",
					cause: error,
				});
			this.#isClosed = true;
		}
	}
}
