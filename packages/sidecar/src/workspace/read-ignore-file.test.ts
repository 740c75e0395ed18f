import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { IGNORE_FILE } from "./ignore-file.ts";
import { type Profile, profileNamed } from "./profile.ts";
import { WorkspaceFilter } from "./workspace-filter.ts";

const plain = profileNamed("plain") as Profile;
const places: string[] = [];
afterEach(() => {
	for (const place of places.splice(0)) rmSync(place, { recursive: true, force: true });
});

function workspace(): { readonly dir: string; readonly root: string; readonly file: string } {
	const dir = mkdtempSync(join(tmpdir(), "sidecar-ignore-"));
	places.push(dir);
	const root = join(dir, "ws");
	mkdirSync(root);
	return { dir, root, file: join(root, IGNORE_FILE) };
}

function write(file: string, content: string | Buffer): void {
	writeFileSync(file, content);
	utimesSync(file, 1_700_000_000, 1_700_000_000);
}

const refusal = (reason: string) =>
	expect.objectContaining({
		code: "IGNORE_FILE_UNUSABLE",
		message: expect.stringContaining(reason),
	});

describe("an ignore file that is a link", () => {
	// @id linked-ignore-file
	test("is honoured if it leads to a file inside the workspace, also through other links", () => {
		const { root, file } = workspace();
		mkdirSync(join(root, "dotfiles"));
		write(join(root, "dotfiles/ignore"), "/private/\n");
		symlinkSync("dotfiles", join(root, "dots"));
		symlinkSync("dots/ignore", file);
		expect(WorkspaceFilter.open(root, plain).filter("private", "dir")).toBe("skip");
	});

	test("is honoured if the workspace itself is reached through a link", () => {
		const { dir, root, file } = workspace();
		write(join(root, ".gitignore"), "/private/\n");
		symlinkSync(join(root, ".gitignore"), file);
		symlinkSync("ws", join(dir, "link"));
		expect(WorkspaceFilter.open(join(dir, "link"), plain).filter("private", "dir")).toBe("skip");
	});

	test("is read again when its target changes or the link leads elsewhere", () => {
		const { root, file } = workspace();
		write(join(root, "one"), "/private/\n");
		write(join(root, "two"), "/other/\n");
		symlinkSync("one", file);
		const filter = WorkspaceFilter.open(root, plain);
		expect(filter.refresh()).toBe("same");
		write(join(root, "one"), "/more/\n");
		expect(filter.refresh()).toBe("changed");
		expect(filter.filter("more", "dir")).toBe("skip");
		rmSync(file);
		symlinkSync("two", file);
		expect(filter.refresh()).toBe("changed");
		expect(filter.filter("other", "dir")).toBe("skip");
	});

	// @id outside-ignore-file
	test("is refused if it leads nowhere, to itself or out of the workspace", () => {
		const { dir, root, file } = workspace();
		write(join(dir, "outside"), "/private/\n");
		for (const [target, reason] of [
			["missing", "leads nowhere"],
			[IGNORE_FILE, "leads to itself"],
			["../outside", "outside the workspace"],
		] as const) {
			symlinkSync(target, file);
			expect(() => WorkspaceFilter.open(root, plain)).toThrow(refusal(reason));
			rmSync(file);
		}
	});

	test("keeps the last known patterns when it becomes unusable", () => {
		const { root, file } = workspace();
		write(join(root, "one"), "/private/\n");
		symlinkSync("one", file);
		const filter = WorkspaceFilter.open(root, plain);
		rmSync(join(root, "one"));
		expect(() => filter.refresh()).toThrow(refusal("leads nowhere"));
		expect(filter.filter("private", "dir")).toBe("skip");
	});
});

describe("an ignore file", () => {
	test("is refused if it is not text: a directory, UTF-16, more than 1 MiB", () => {
		const { root, file } = workspace();
		mkdirSync(file);
		expect(() => WorkspaceFilter.open(root, plain)).toThrow(refusal("it is a directory"));
		rmSync(file, { recursive: true });
		write(file, Buffer.from("/private/\n", "utf16le"));
		expect(() => WorkspaceFilter.open(root, plain)).toThrow(refusal("NUL bytes"));
		write(file, Buffer.alloc(1024 * 1024 + 1, "a"));
		expect(() => WorkspaceFilter.open(root, plain)).toThrow(refusal("more than 1048576"));
	});

	test("may begin with a byte order mark, and name bytes that are not UTF-8", () => {
		const { root, file } = workspace();
		write(
			file,
			Buffer.concat([Buffer.from("\ufeff/private/\n/caf"), Buffer.of(0xe9), Buffer.from("/\n")]),
		);
		const { filter } = WorkspaceFilter.open(root, plain);
		expect(filter("private", "dir")).toBe("skip");
		expect(filter("caf\udce9", "dir")).toBe("skip");
	});
});
