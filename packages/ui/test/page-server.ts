/** The page over the sample log, with a workspace that was restored from it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { restore } from "../../sidecar/src/library/restore.ts";
import { recordingLogger } from "../../sidecar/src/telemetry/logger.ts";
import { serveUi } from "../../sidecar/src/ui/server.ts";
import { NAMESPACE, type SampleLog, sampleLog } from "./sample-log.ts";

export interface PageServer extends AsyncDisposable {
	/** With the token. */
	readonly url: string;
	readonly workspace: string;
	readonly logger: ReturnType<typeof recordingLogger>;
	readonly log: SampleLog;
}

export async function pageServer(allowsRestore: boolean): Promise<PageServer> {
	const directory = mkdtempSync(join(tmpdir(), "sidecar-ui-"));
	const log = await sampleLog();
	const logger = recordingLogger();
	const options = {
		store: log.store,
		namespace: NAMESPACE,
		workspace: join(directory, "openclaw"),
		stateDir: join(directory, "state"),
		handoverWaitMs: 0,
		logger,
	};
	await restore(options);
	const stop = new AbortController();
	let ended: Promise<void> = Promise.resolve();
	const url = await new Promise<string>((resolve, reject) => {
		ended = serveUi({
			...options,
			port: 0,
			allowsRestore,
			signal: stop.signal,
			onListening: async (address) => resolve(address),
		});
		ended.catch(reject);
	});
	return {
		...{ url, logger, log, workspace: options.workspace },
		[Symbol.asyncDispose]: async () => {
			stop.abort();
			await ended;
			rmSync(directory, { recursive: true, force: true });
		},
	};
}
