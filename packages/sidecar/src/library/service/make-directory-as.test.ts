import {
	chmodSync,
	chownSync,
	existsSync,
	mkdtempSync,
	rmSync,
	statSync,
	symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDirectoryAs } from "./make-directory-as.ts";

const [UID, GID] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
const account = (uid: number, gid = uid) => ({ name: "anna", uid, gid, home: "/" });

let place: string;
beforeEach(() => {
	place = mkdtempSync(join(tmpdir(), "sidecar as '"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

test("missing directories are made for the user alone, below one that the user owns", () => {
	makeDirectoryAs(account(UID, GID), join(place, "a/b"));
	for (const path of ["a", "a/b"]) expect(statSync(join(place, path)).mode & 0o777).toBe(0o700);
	makeDirectoryAs(account(UID + 1), join(place, "a/b"));
});

// @id service-directories
test("nothing is made below a directory of another user, and the error has the command", () => {
	const directory = join(place, "ssh.service.d/x");
	expect(() => makeDirectoryAs(account(UID + 1), directory)).toThrow(
		expect.objectContaining({
			code: "USAGE",
			remedy: expect.stringContaining(
				`\`install -d -m 0700 -o ${UID + 1} -g ${UID + 1} '${directory.replace("'", "'\\''")}'\``,
			),
		}),
	);
	expect(existsSync(join(place, "ssh.service.d"))).toBe(false);
});

test.skipIf(UID !== 0)(
	"root makes them with the user's rights, so a link leads nowhere else",
	() => {
		chmodSync(place, 0o755);
		const [own, roots] = [join(place, "own"), join(place, "roots")];
		for (const path of [own, roots]) makeDirectoryAs(account(UID, GID), path);
		chownSync(own, 65_534, 65_534);
		makeDirectoryAs(account(65_534), join(own, "a/b"));
		expect(statSync(join(own, "a/b"))).toMatchObject({ uid: 65_534, gid: 65_534 });
		symlinkSync(roots, join(own, "link"));
		expect(() => makeDirectoryAs(account(65_534), join(own, "link/a"))).toThrow(
			"not a directory of",
		);
		expect(existsSync(join(roots, "a"))).toBe(false);
	},
);
