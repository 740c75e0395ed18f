/** Asks the worker for formatted text. */
import type { Rich, RichMessage, RichRequest } from "./rich.ts";

/** `build.ts` gives it this name. */
const WORKER_URL = "/assets/rich-worker.js";
/** From when the worker has the text. Ordinary files take less than 100 ms. */
const PATIENCE_MS = 1_000;

interface TrustedTypes {
	createPolicy(
		name: string,
		rules: { readonly createScriptURL: () => string },
	): { createScriptURL(text: string): string };
}

/** The page's policy allows one script of a worker: this one. */
const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy(
	"worker",
	{ createScriptURL: () => WORKER_URL },
);

/** It has loaded, and has nothing to do. */
let idle: Worker | undefined;

/** Undefined if it takes too long, or is more than a page can show. @throws on `signal` */
export async function richOf(
	request: RichRequest,
	signal: AbortSignal,
): Promise<readonly Rich[] | undefined> {
	const isLoaded = idle !== undefined;
	const worker =
		idle ?? new Worker(policy?.createScriptURL(WORKER_URL) ?? WORKER_URL, { type: "module" });
	idle = undefined;
	const { promise, resolve, reject } = Promise.withResolvers<readonly Rich[] | undefined>();
	let timer: ReturnType<typeof setTimeout> | undefined;
	const send = () => {
		timer = setTimeout(() => end(), PATIENCE_MS);
		worker.postMessage(request);
	};
	const end = () => {
		worker.terminate();
		if (signal.aborted) reject(signal.reason);
		else resolve(undefined);
	};
	signal.addEventListener("abort", end);
	worker.onerror = end;
	worker.onmessage = ({ data }: MessageEvent<RichMessage>) => {
		if (data === "ready") return send();
		idle?.terminate();
		idle = worker;
		resolve(data.content);
	};
	if (isLoaded) send();
	try {
		return await promise;
	} finally {
		clearTimeout(timer);
		signal.removeEventListener("abort", end);
	}
}
