import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { closeGuarded, noteRealPlaces, openGuarded } from "./guarded-open.ts";

test("opens nothing outside through a workspace that its agent replaced by a link", () => {
	const dir = mkdtempSync(join(tmpdir(), "sidecar-guarded-"));
	onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
	const [root, elsewhere] = [join(dir, "ws"), join(dir, "not the agent's")];
	for (const directory of [root, elsewhere]) {
		mkdirSync(directory);
		writeFileSync(join(directory, "environ"), directory);
	}
	noteRealPlaces([root]);
	const opened = openGuarded(root, "environ");
	expect(opened.kind).toBe("open");
	if (opened.kind === "open") closeGuarded(opened.fd);
	renameSync(root, join(dir, "moved"));
	symlinkSync(elsewhere, root);
	expect(openGuarded(root, "environ").kind).toBe("outside");
	rmSync(root);
	renameSync(join(dir, "moved"), root);
	const again = openGuarded(root, "environ");
	expect(again.kind).toBe("open");
	if (again.kind === "open") closeGuarded(again.fd);
});
