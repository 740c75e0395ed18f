import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { Roots } from "../path.ts";
import { makeFilter } from "./filter.ts";
import { innerMountsByDevice, readInnerMounts } from "./inner-mounts.ts";
import { plain } from "./profiles/plain.ts";
import { scan } from "./scan.ts";

test("finds mounts inside with their kinds, the innermost first, without those that another mount covers", async (context) => {
	using made = mounted(context);
	const base = testDirectory();
	const [main, notes] = [join(base, "ws"), join(base, "notes")];
	for (const path of ["a", "b", "covered"]) mkdirSync(join(main, path), { recursive: true });
	mkdirSync(notes);
	for (const path of [join(main, "f"), join(base, "outer")]) writeFileSync(path, "");
	mkdirSync(join(base, "volume/inner"), { recursive: true });
	mkdirSync(join(main, "covered/deep"));
	made.tmpfs(join(main, "covered/deep"));
	made.tmpfs(join(main, "covered"));
	mkdirSync(join(main, "covered/deep"));
	made.bind(join(base, "volume"), join(main, "a"));
	made.tmpfs(join(main, "a/inner"));
	made.bind(join(base, "volume"), join(main, "b"), "ro");
	made.bind(join(base, "outer"), join(main, "f"));
	made.tmpfs(join(notes, "m"));
	const mounts = readInnerMounts(new Roots(main, new Map([["notes", notes]])));
	expect(mounts.isKnown).toBe(true);
	expect([...mounts.directories].sort()).toEqual([
		".roots/notes/m",
		"a",
		"a/inner",
		"b",
		"covered",
	]);
	expect(mounts.directories.indexOf("a/inner")).toBeLessThan(mounts.directories.indexOf("a"));
	expect([...mounts.files]).toEqual(["f"]);
	expect(mounts.readOnly).toEqual(["b"]);
	expect([...mounts.foreign].sort()).toEqual(
		[...mounts.directories].map((path) => `${path}/.openclaw-sidecar`).sort(),
	);
	// Without a mount table, device numbers reveal mounts of another file system.
	const { stats } = await scan(main, makeFilter(plain));
	expect([...innerMountsByDevice(stats).directories].sort()).toEqual(["a/inner", "covered"]);
});
