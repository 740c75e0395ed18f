import { Writable } from "node:stream";
import { SidecarError } from "../errors.ts";

/**
 * Output is written at this size, so that a listing of 100,000 lines is not 100,000 system calls.
 */
const BATCH_CHARACTERS = 64 * 1024;

/**
 * Stdout, which carries only a command's result. A reader that closes the pipe (`| head`) is not an
 * error.
 */
export class Output {
	readonly #stream: NodeJS.WriteStream;
	#pending = "";
	#isClosed = false;
	#hasRaw = false;

	constructor(stream: NodeJS.WriteStream) {
		this.#stream = stream;
		// The write's callback reports it; without a listener the error would end the process.
		stream.on("error", () => {});
	}

	/** The reader is gone: further output need not be produced. */
	get isClosed(): boolean {
		return this.#isClosed;
	}

	/** A file's raw bytes were written: nothing else may follow them on stdout. */
	get hasRaw(): boolean {
		return this.#hasRaw;
	}

	/** For raw bytes. `run` handles a failure to write. */
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

	/** @throws SidecarError USAGE if stdout cannot be written, except for a closed pipe */
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

	/** Runs a function that writes to the stream itself. */
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
