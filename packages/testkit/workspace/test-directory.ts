import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** An empty directory, readable for everyone, removed at the end of the test. */
export function testDirectory(): string {
	const directory = realpathSync(mkdtempSync(join(tmpdir(), "sidecar-workspace-")));
	chmodSync(directory, 0o755);
	onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
	return directory;
}
