/** `restore --at` on a machine of a workbench. */

import { plainProfile, type Workbench } from "../../../testkit/workbench.ts";
import { newRestoreId, thisEnvironment } from "../../src/commit/environment.ts";
import { Roots } from "../../src/path.ts";
import { restore } from "../../src/restore/restore.ts";
import { recordingLogger } from "../../src/telemetry/logger.ts";
import { noProgress } from "../../src/telemetry/progress.ts";
import { loadFileTimes } from "../../src/workspace/file-times.ts";

export async function restoreAt(bench: Workbench, machine: string, at: number): Promise<void> {
	const restored = await restore({
		store: bench.store,
		root: new Roots(bench.workspace(machine)),
		profile: plainProfile,
		privateDir: bench.privateDir(machine),
		times: await loadFileTimes(),
		quickHash: () => 0n,
		label: newRestoreId(thisEnvironment),
		logger: recordingLogger(),
		progress: noProgress,
		at,
	});
	await restored.finish(true);
}
