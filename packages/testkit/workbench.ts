/**
 * An environment for tests of whole workspaces: temp directories, a store, and sessions on any
 * number of "machines".
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { SecretPolicy } from "../sidecar/src/capture/secret-guard.ts";
import { type Environment, thisEnvironment } from "../sidecar/src/commit/environment.ts";
import { privateDirectory } from "../sidecar/src/disk/base-marker.ts";
import { Roots } from "../sidecar/src/path.ts";
import { Session } from "../sidecar/src/session/session.ts";
import { namespaced } from "../sidecar/src/store/namespaced.ts";
import { openStore } from "../sidecar/src/store/open.ts";
import type { ObjectStore } from "../sidecar/src/store/port.ts";
import type { SweepableStore } from "../sidecar/src/store/sweepable.ts";
import { recordingLogger } from "../sidecar/src/telemetry/logger.ts";
import { noProgress } from "../sidecar/src/telemetry/progress.ts";
import { type Profile, profileNamed } from "../sidecar/src/workspace/profile.ts";
import { makeBucket, s3TestServer } from "./store/s3-server.ts";

export interface Workbench extends AsyncDisposable {
	readonly dir: string;
	readonly store: ObjectStore;
	readonly logger: ReturnType<typeof recordingLogger>;
	/** The workspace of a machine by that name. */
	workspace(machine: string): string;
	privateDir(machine: string): string;
	open(
		machine: string,
		options?: Partial<{
			store: ObjectStore;
			profile: Profile;
			environment: Environment;
			expect: "new" | "existing" | "any";
			onSecret: SecretPolicy;
			/** Additional roots: absolute directories by name. */
			roots: Readonly<Record<string, string>>;
		}>,
	): Promise<Session>;
}

/** A fresh bucket on the S3 server of this test run. */
export async function s3Namespace(): Promise<SweepableStore> {
	const server = s3TestServer();
	if (server === undefined) throw new Error("no S3 server in this run: see s3TestServer");
	const { endpoint, region, accessKeyId, secretAccessKey } = server;
	const bucket = await makeBucket(server);
	return namespaced(
		await openStore(`s3://${bucket}`, {
			endpoint,
			region,
			credentials: async () => ({ accessKeyId, secretAccessKey }),
		}),
		"alice",
	);
}

/** This machine, with clocks that can be advanced. */
export function environmentWithClock(): {
	readonly environment: Environment;
	pass(ms: number): void;
} {
	let aheadMs = 0;
	const environment = {
		...thisEnvironment,
		wallMs: () => thisEnvironment.wallMs() + aheadMs,
		bootMs: () => thisEnvironment.bootMs() + aheadMs,
	};
	return {
		environment,
		pass: (ms) => {
			aheadMs += ms;
		},
	};
}

export const plainProfile = profileNamed("plain") as Profile;
export const openclawProfile = profileNamed("openclaw") as Profile;

/** A file store by default. `store` may be any other store, which is closed at the end. */
export async function workbench(store?: ObjectStore): Promise<Workbench> {
	const dir = mkdtempSync(join(tmpdir(), "sidecar-"));
	const logger = recordingLogger();
	const used =
		store ?? namespaced(await openStore(pathToFileURL(join(dir, "store")).href, {}), "alice");
	const privateDir = (machine: string) =>
		privateDirectory(join(dir, "state"), {
			workspace: machine,
			store: used.url,
			namespace: "alice",
		});
	const workspace = (machine: string) => join(dir, "ws", machine);
	mkdirSync(join(dir, "ws"));
	return {
		dir,
		store: used,
		logger,
		workspace,
		privateDir,
		open: async (machine, options = {}) =>
			await Session.open({
				store: options.store ?? used,
				root: new Roots(workspace(machine), new Map(Object.entries(options.roots ?? {}))),
				profile: options.profile ?? plainProfile,
				privateDir: privateDir(machine),
				logger,
				progress: noProgress,
				handoverWaitMs: 0,
				environment: options.environment ?? thisEnvironment,
				...(options.expect && { expect: options.expect }),
				onSecret: options.onSecret,
			}),
		[Symbol.asyncDispose]: async () => {
			await used.close();
			rmSync(dir, { recursive: true, force: true });
		},
	};
}
