import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { trashOf } from "../disk/displaced.ts";
import { emptyTrash, listTrash, trashTo } from "../index.ts";
import { type WorkspaceOptions, withWorkspace } from "./options.ts";

let dir: string;
let options: WorkspaceOptions;
let restore: string;
let top: string;

beforeEach(async () => {
	dir = mkdtempSync(join(tmpdir(), "trash-"));
	options = {
		...{ workspace: join(dir, "ws"), stateDir: join(dir, "state"), store: new AgingStore() },
		profile: "plain",
	};
	mkdirSync(join(dir, "ws"));
	restore = newRestoreId(thisEnvironment);
	top = await withWorkspace(options, async ({ privateDir }) => trashOf(privateDir, restore));
	mkdirSync(top, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it("names that are not UTF-8 are listed, copied and deleted", async () => {
	const odd = (at: string, below = "") =>
		Buffer.concat([Buffer.from(`${at}/d`), Buffer.from([0xff]), Buffer.from(below)]);
	mkdirSync(odd(top));
	writeFileSync(odd(top, "/a"), "odd");
	const [found] = await listTrash(options);
	expect(found?.entries).toMatchObject([{ path: "d\udcff/a", bytes: 3 }]);
	const to = join(dir, "out");
	expect(await trashTo({ ...options, to })).toMatchObject({ files: 1, bytes: 3, skipped: [] });
	expect(readFileSync(odd(join(to, restore), "/a"), "utf8")).toBe("odd");
	expect(await emptyTrash(options)).toMatchObject({ files: 1, bytes: 3, onlyCopies: 0 });
	expect(await listTrash(options)).toEqual([]);
});

it("a FIFO is named and not copied: reading it would block for ever", async () => {
	expect(spawnSync("mkfifo", [join(top, "fifo")]).status).toBe(0);
	writeFileSync(join(top, "a"), "a");
	const to = join(dir, "out");
	const copied = await trashTo({ ...options, to });
	expect(copied).toMatchObject({ files: 1, skipped: [join(top, "fifo")] });
	expect(readdirSync(join(to, restore))).toEqual(["a"]);
});

it("copies into nothing that the sidecar owns", async () => {
	for (const to of [join(dir, "ws"), join(dir, "state/x"), dir])
		await expect(trashTo({ ...options, to })).rejects.toMatchObject({ code: "USAGE" });
	expect(readdirSync(join(dir, "ws"))).toEqual([]);
});
