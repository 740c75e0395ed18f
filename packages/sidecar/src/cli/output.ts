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
	#stream: NodeJS.WritableStream;
	#pending = "";
	#isClosed = false;
	#hasRaw = false;
	/** The first object, until it is known whether it is the only one: see `error`. */
	#first: object | undefined;
	#hasObjects = false;

	constructor(stream: NodeJS.WritableStream) {
		this.#stream = stream;
		this.redirect(stream);
	}

	/** Writes to another stream from now on, such as a pager's. @returns the stream until now */
	redirect(stream: NodeJS.WritableStream): NodeJS.WritableStream {
		const until = this.#stream;
		this.#stream = stream;
		// The write's callback reports it; without a listener the error would end the process.
		stream.on("error", () => {});
		return until;
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
		this.#release();
		this.#pending += `${text}\n`;
		if (this.#pending.length >= BATCH_CHARACTERS) await this.flush();
	}

	async json(value: object): Promise<void> {
		if (this.#hasObjects) return await this.line(JSON.stringify(value));
		this.#hasObjects = true;
		this.#first = value;
	}

	/**
	 * Adds the error of a command that has printed its result: into the only object, or as one more
	 * object after several.
	 */
	async error(error: object): Promise<void> {
		const result = this.#first;
		this.#first = undefined;
		await this.line(JSON.stringify({ ...result, error }));
	}

	#release(): void {
		const first = this.#first;
		this.#first = undefined;
		if (first !== undefined) this.#pending += `${JSON.stringify(first)}\n`;
	}

	/** @throws SidecarError USAGE if stdout cannot be written, except for a closed pipe */
	async flush(): Promise<void> {
		this.#release();
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
			const { code, syscall } = error as NodeJS.ErrnoException;
			// A pager's pipe is destroyed as soon as the pager has ended.
			const isGone = code === "EPIPE" || code === "ERR_STREAM_DESTROYED";
			if (error instanceof SidecarError || (syscall !== "write" && !isGone)) throw error;
			if (!isGone)
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
