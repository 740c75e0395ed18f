import { chmodSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { plain } from "./profiles/plain.ts";
import { IGNORE_STABLE_MS, WorkspaceFilter } from "./workspace-filter.ts";

function place(text?: string): { root: string; file: string; changedMs: () => number } {
	const root = testDirectory();
	const file = `${root}/.openclaw-sidecar-ignore`;
	if (text !== undefined) writeFileSync(file, text);
	return {
		root,
		file,
		changedMs: () =>
			Math.max(statSync(root).mtimeMs, statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0),
	};
}

describe("WorkspaceFilter", () => {
	test("follows the ignore file, also through the filter function it returned earlier", () => {
		const { root, file, changedMs } = place("*.log\n");
		const workspace = WorkspaceFilter.open(root, plain);
		const { filter } = workspace;
		expect([filter("a.log", "file"), filter("a.txt", "file")]).toEqual(["skip", "keep"]);
		writeFileSync(file, "*.txt\n!keep.txt\n");
		expect(workspace.refresh(changedMs() + IGNORE_STABLE_MS + 1)).toBe("changed");
		expect([filter("a.log", "file"), filter("a.txt", "file"), filter("keep.txt", "file")]).toEqual([
			"keep",
			"skip",
			"keep",
		]);
		expect(workspace.refresh(changedMs() + IGNORE_STABLE_MS + 1)).toBe("same");
	});

	test("trusts neither an emptied file nor a missing one at once: private files stay private while an editor writes", () => {
		const { root, file, changedMs } = place("secret\n");
		const workspace = WorkspaceFilter.open(root, plain);
		writeFileSync(file, "");
		expect(workspace.refresh(changedMs() + 10)).toBe("pending");
		expect(workspace.filter("secret", "file")).toBe("skip");
		rmSync(file);
		expect(workspace.refresh(changedMs() + 10)).toBe("pending");
		expect(workspace.filter("secret", "file")).toBe("skip");
		writeFileSync(file, "secret\nmore\n");
		expect(workspace.refresh(changedMs() + IGNORE_STABLE_MS + 1)).toBe("changed");
		rmSync(file);
		expect(workspace.refresh(changedMs() + IGNORE_STABLE_MS + 1)).toBe("changed");
		expect(workspace.filter("secret", "file")).toBe("keep");
	});

	test("does not wait for a time in the future", () => {
		const { root, file } = place("a\n");
		const workspace = WorkspaceFilter.open(root, plain);
		writeFileSync(file, "b\n");
		utimesSync(file, Date.now() / 1000 + 3600, Date.now() / 1000 + 3600);
		expect(workspace.refresh()).toBe("changed");
	});

	test("refuses an ignore file that is a directory, because its patterns are unknown", () => {
		const { root, file } = place();
		mkdirSync(file);
		expect(() => WorkspaceFilter.open(root, plain)).toThrow(
			expect.objectContaining({ code: "IGNORE_FILE_UNUSABLE" }),
		);
	});

	test("keeps the last patterns if the file cannot be read", async () => {
		const { root, file, changedMs } = place("secret\n");
		const workspace = WorkspaceFilter.open(root, plain);
		writeFileSync(file, "other\n");
		chmodSync(file, 0);
		await asOrdinaryUser(async () => {
			expect(() => workspace.refresh(changedMs() + IGNORE_STABLE_MS + 1)).toThrow(/EACCES/);
		});
		expect(workspace.filter("secret", "file")).toBe("skip");
	});
});
