import {
	chmodSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { copyAside, move } from "./move.ts";

test("moves content, modes and times to another file system, also out of read-only directories", async (context) => {
	using made = mounted(context);
	const base = testDirectory();
	made.tmpfs(join(base, "other"), "size=8m,mode=777");
	mkdirSync(join(base, "own"));
	chmodSync(join(base, "own"), 0o777);
	await asOrdinaryUser(async () => {
		const from = join(base, "own/d");
		mkdirSync(join(from, "inner"), { recursive: true });
		writeFileSync(join(from, "inner/f"), "f", { mode: 0o400 });
		symlinkSync("nowhere", join(from, "link"));
		utimesSync(join(from, "inner/f"), 1, 1);
		for (const path of [join(from, "inner"), from]) chmodSync(path, 0o555);
		const to = join(base, "other/d");
		move(from, to);
		expect(readdirSync(join(base, "own"))).toEqual([]);
		expect(readFileSync(join(to, "inner/f"), "utf8")).toBe("f");
		expect(statSync(join(to, "inner/f"))).toMatchObject({ mtimeMs: 1000 });
		expect(
			[to, join(to, "inner"), join(to, "inner/f")].map((path) => statSync(path).mode & 0o777),
		).toEqual([0o555, 0o555, 0o400]);
		for (const path of [to, join(to, "inner")]) chmodSync(path, 0o755);
	});
});

// @id move-without-room
test("leaves everything in place, and no partial copy, if there is no room", (context) => {
	using made = mounted(context);
	const base = testDirectory();
	made.tmpfs(join(base, "small"), "size=64k");
	mkdirSync(join(base, "d"));
	for (const name of ["a", "b"]) writeFileSync(join(base, "d", name), Buffer.alloc(50_000, name));
	expect(() => move(join(base, "d"), join(base, "small/d"))).toThrow(/ENOSPC/);
	expect(readdirSync(join(base, "small"))).toEqual([]);
	for (const name of ["a", "b"])
		expect(readFileSync(join(base, "d", name)).equals(Buffer.alloc(50_000, name))).toBe(true);
	expect(() => copyAside(join(base, "d"), join(base, "small/d"))).toThrow(/ENOSPC/);
});
