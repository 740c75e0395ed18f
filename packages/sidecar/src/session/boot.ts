/**
 * Brings a workspace to the newest commit of the log, or to an earlier one. If the log was never
 * used, plain objects next to it first become its first commit (`adopt.ts`).
 */

import type { SecretPolicy } from "../capture/secret-guard.ts";
import { type LogRead, readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import type { Head } from "../log/fold.ts";
import type { DiskPlan } from "../restore/plan-disk.ts";
import { type Restored, restore } from "../restore/restore.ts";
import type { RestoreOptions } from "../restore/restore-options.ts";
import { adopt } from "../transfer/adopt.ts";
import { isUnused } from "../transfer/commit-directory.ts";

export interface BootOptions extends RestoreOptions {
	/** How to treat secrets in plain objects that are adopted; default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	readonly expect?: "new" | "existing" | "any";
	/** The plan for `read`, as `planDisk` returned it just now. */
	readonly planned?: DiskPlan | undefined;
}

/**
 * @throws SidecarError as `restore`, EXISTING_EXPECTED, USAGE; if plain objects are adopted also
 * SOURCE_*, SUPERSEDED, NOT_DURABLE
 */
export async function boot(options: BootOptions): Promise<Restored> {
	const { store, at, signal } = options;
	const read = await readEarlier(store, at, async () => await readOrAdopt(options), signal);
	const planned = read === options.read ? options.planned : undefined;
	return await restore({ ...options, read }, planned);
}

async function readOrAdopt(options: BootOptions): Promise<LogRead> {
	const { store, at, signal } = options;
	let read = options.read ?? (await readLog(store, { at, signal }));
	if (options.expect === "new") checkExpectation(options, read.head);
	if (at === undefined && isUnused(read.head) && (await adopt(options)))
		read = await readLog(store, { at, signal });
	checkExpectation(options, read.head);
	return read;
}

function checkExpectation({ expect, store }: BootOptions, head: Head): void {
	if (expect === "existing" && head.seq === 0)
		throw new SidecarError("EXISTING_EXPECTED", { value: store.url });
	if (expect === "new" && head.seq !== 0) {
		throw new SidecarError("USAGE", {
			value: store.url,
			reason: `--expect new, but the log holds commit ${head.seq}`,
			remedy: "check --namespace, or leave --expect out",
		});
	}
}
