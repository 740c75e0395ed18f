import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	renameSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { lstatPath, type Stat, sameStat } from "./stat.ts";

function statted(root: string, path: string): Stat {
	const stat = lstatPath(root, path);
	if (stat === undefined) throw new Error(`nothing at ${path}`);
	return stat;
}

describe("lstatPath", () => {
	test("describes the entry itself and does not follow links", () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, "12345", { mode: 0o640 });
		mkdirSync(`${root}/dir`);
		chmodSync(`${root}/dir`, 0o1750);
		symlinkSync("dir", `${root}/link`);
		expect(lstatPath(root, "file")).toMatchObject({ type: "file", size: 5, mode: 0o640 });
		expect(lstatPath(root, "dir")).toMatchObject({ type: "dir", mode: 0o1750 });
		expect(lstatPath(root, "link")).toMatchObject({ type: "link", size: 3 });
		expect(lstatPath(root, "")).toMatchObject({ type: "dir", ino: statted(root, "").ino });
		expect(lstatPath("/", "dev/null")).toMatchObject({ type: "other" });
	});

	test("is undefined if there is nothing, and below anything but a directory", () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, "");
		expect(lstatPath(root, "absent")).toBeUndefined();
		expect(lstatPath(root, "file/below")).toBeUndefined();
	});

	test("throws if absence is not certain", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/shut`);
		chmodSync(`${root}/shut`, 0);
		await asOrdinaryUser(async () =>
			expect(() => lstatPath(root, "shut/inside")).toThrow("EACCES"),
		);
		expect(() => lstatPath(root, "x".repeat(300))).toThrow("ENAMETOOLONG");
	});
});

test("sameStat detects every change that the kernel reports", () => {
	const root = testDirectory();
	writeFileSync(`${root}/file`, "1");
	const first = statted(root, "file");
	expect(sameStat(first, statted(root, "file"))).toBe(true);
	const changes: (() => void)[] = [
		() => appendFileSync(`${root}/file`, "2"),
		() => chmodSync(`${root}/file`, 0o600),
		() => utimesSync(`${root}/file`, 1, 1),
		() => {
			writeFileSync(`${root}/other`, "12");
			renameSync(`${root}/other`, `${root}/file`);
		},
	];
	for (const change of changes) {
		const before = statted(root, "file");
		change();
		expect(sameStat(before, statted(root, "file"))).toBe(false);
	}
});
