import {
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { plainBucket } from "../../../testkit/store/plain-bucket.ts";
import { s3TestServer } from "../../../testkit/store/s3-server.ts";
import { anyDisk, makeDisk } from "../../../testkit/workspace/arbitrary-disk.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { exportTree } from "./export.ts";
import { flush } from "./flush.ts";
import { importTree } from "./import.ts";
import { restore } from "./restore.ts";

let dir: string;
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "sidecar-transfer-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A machine and its own namespace, in a shared store. */
const options = (namespace: string, root = dir) =>
	({
		workspace: join(root, namespace, "ws"),
		stateDir: join(root, namespace, "state"),
		store: pathToFileURL(join(root, "store")).href,
		namespace,
		profile: "plain",
		handoverWaitMs: 0,
	}) as const;

/** A workspace that is in the log of `namespace`. */
async function committed(namespace: string, root = dir): Promise<string> {
	const { workspace } = options(namespace, root);
	mkdirSync(join(workspace, "notes"), { recursive: true });
	writeFileSync(join(workspace, "notes/a.md"), "one", { mode: 0o640 });
	writeFileSync(join(workspace, "empty"), "");
	symlinkSync("../nowhere", join(workspace, "link"));
	mkdirSync(join(workspace, "hollow"), { mode: 0o755 });
	utimesSync(join(workspace, "hollow"), 1_000_000_000, 1_000_000_000);
	await flush(options(namespace, root));
	return workspace;
}

const noise = (size: number) =>
	Buffer.from(
		Uint32Array.from({ length: size / 4 }, (_, index) => Math.imul(index, 2654435761)).buffer,
	);

describe("export to a directory", () => {
	it("is a plain copy of the commit", async () => {
		const workspace = await committed("anna");
		const before = readDisk(workspace);
		writeFileSync(join(workspace, "notes/a.md"), "two");
		await flush(options("anna"));
		const to = join(dir, "new/place");
		expect(await exportTree({ ...options("anna"), to, at: 2 })).toMatchObject({
			to,
			seq: 2,
			files: 2,
			directories: 2,
			links: 1,
			bytes: 3,
			notCarried: [],
			others: 0,
			exitStatus: 0,
		});
		expect(readDisk(to)).toEqual(before);
		mkdirSync(join(dir, "empty"));
		expect(
			await exportTree({ ...options("anna"), to: pathToFileURL(join(dir, "empty")).href }),
		).toMatchObject({ seq: 4 });
		expect(readDisk(join(dir, "empty"))).toEqual(readDisk(workspace));
		// Nothing of it remains in the state directory either.
		expect(
			readdirSync(join(dir, "anna/state"), { recursive: true }).filter((name) =>
				String(name).includes("staging/"),
			),
		).toEqual([]);
	});

	it("contains what superseded writers quarantined", async () => {
		await committed("anna");
		const { workspace, stateDir: _, ...rest } = options("anna");
		mkdirSync(join(workspace, ".recovered/0123"), { recursive: true });
		writeFileSync(join(workspace, ".recovered/0123/b.md"), "aside");
		await flush(options("anna"));
		await exportTree({ ...rest, stateDir: join(dir, "other"), to: join(dir, "out") });
		expect(readFileSync(join(dir, "out/.recovered/0123/b.md"), "utf8")).toBe("aside");
	});

	it("refuses a target that would mix or lose data, and touches nothing", async () => {
		const workspace = await committed("anna");
		const before = readDisk(workspace);
		const refused = async (to: string, more: object = {}) =>
			await exportTree({ ...options("anna"), to, ...more }).catch((error) => error);
		expect(await refused(workspace)).toMatchObject({ code: "TARGET_NOT_EMPTY", value: workspace });
		expect(readDisk(workspace)).toEqual(before);
		expect(await refused(join(workspace, "empty"))).toMatchObject({ code: "USAGE" });
		symlinkSync(join(dir, "store"), join(dir, "alias"));
		for (const to of ["store/users/bob", "alias/users/bob", "store", "."]) {
			expect(await refused(join(dir, to)), to).toMatchObject({ code: "USAGE", exitStatus: 2 });
		}
		// Either of the two may be named through a link.
		const throughLink = { store: pathToFileURL(join(dir, "alias")).href };
		expect(await refused(join(dir, "store/users/bob"), throughLink)).toMatchObject({
			code: "USAGE",
		});
		expect(await refused(join(dir, "x"), { overwrite: true })).toMatchObject({ code: "USAGE" });
		expect(await refused(join(dir, "x"), { namespace: "nobody" })).toMatchObject({
			code: "COMMIT_NOT_FOUND",
		});
		expect(await refused("https://example.org/x")).toMatchObject({ code: "STORE_URL_INVALID" });
		expect(await refused("")).toMatchObject({ code: "STORE_URL_INVALID" });
		expect(readdirSync(dir).sort()).toEqual(["alias", "anna", "store"]);
	});
});

describe("import", () => {
	it("refuses a log that is not empty, and a source that is empty or holds other logs", async () => {
		const workspace = await committed("anna");
		const refused = async (from: string | undefined, namespace: string) =>
			await importTree({ ...options(namespace), ...(from !== undefined && { from }) }).catch(
				(error) => error,
			);
		expect(await refused(workspace, "anna")).toMatchObject({
			code: "LOG_NOT_EMPTY",
			exitStatus: 2,
		});
		expect(await refused(join(dir, "missing"), "bob")).toMatchObject({ code: "USAGE" });
		expect(await refused(undefined, "bob")).toMatchObject({ code: "USAGE" });
		expect(await refused(join(dir, "store/users/anna"), "bob")).toMatchObject({ code: "USAGE" });
		expect(await refused(dir, "bob")).toMatchObject({ code: "USAGE" });
	});

	it("imports the objects next to the log if no source, or that source, is given", async () => {
		for (const [namespace, from] of [
			["carl", undefined],
			["dora", join(dir, "store/users/dora")],
		] as const) {
			mkdirSync(join(dir, "store/users", namespace), { recursive: true });
			writeFileSync(join(dir, "store/users", namespace, "MEMORY.md"), "who I am");
			expect(
				await importTree({ ...options(namespace), ...(from !== undefined && { from }) }),
			).toMatchObject({
				seq: 2,
				files: 1,
				directories: 0,
			});
			await restore(options(namespace));
			expect(readdirSync(options(namespace).workspace)).toEqual(["MEMORY.md"]);
		}
	});

	it("must come before the first flush if there are plain objects next to the log", async () => {
		mkdirSync(join(dir, "store/users/carl"), { recursive: true });
		writeFileSync(join(dir, "store/users/carl/MEMORY.md"), "who I am");
		const { workspace } = options("carl");
		mkdirSync(workspace, { recursive: true });
		writeFileSync(join(workspace, "MEMORY.md"), "a template");
		await expect(flush(options("carl"))).rejects.toMatchObject({ code: "WORKSPACE_NOT_RESTORED" });
		expect(await restore(options("carl"))).toMatchObject({
			seq: 2,
			written: 1,
			moved: [{ path: "MEMORY.md" }],
		});
		expect(readFileSync(join(workspace, "MEMORY.md"), "utf8")).toBe("who I am");
	});
});

/** A flush has nothing to commit in an empty workspace. */
const anyTree = anyDisk.filter((nodes) => nodes.length > 0);

describe("import(export(tree)) == tree", () => {
	it("holds through a directory, for any tree", async () => {
		await fc.assert(
			fc.asyncProperty(anyTree, async (nodes) => {
				const root = mkdtempSync(join(dir, "p-"));
				await makeDisk(options("a", root).workspace, nodes);
				expect(await flush(options("a", root))).toMatchObject({ exitStatus: 0 });
				expect(await exportTree({ ...options("a", root), to: join(root, "out") })).toMatchObject({
					notCarried: [],
					exitStatus: 0,
				});
				expect(readDisk(join(root, "out"))).toEqual(readDisk(options("a", root).workspace));
				expect(await importTree({ ...options("b", root), from: join(root, "out") })).toMatchObject({
					seq: 2,
					leftOut: [],
				});
				await restore(options("b", root));
				expect(readDisk(options("b", root).workspace)).toEqual(
					readDisk(options("a", root).workspace),
				);
				rmSync(root, { recursive: true });
			}),
			{ numRuns: 8 },
		);
	}, 90_000);

	it.skipIf(s3TestServer() === undefined)(
		"holds through objects, for everything that keys can carry, and the rest is named",
		async () => {
			await using bucket = await plainBucket();
			let runs = 0;
			await fc.assert(
				fc.asyncProperty(anyTree, async (nodes) => {
					const root = mkdtempSync(join(dir, "p-"));
					await makeDisk(options("a", root).workspace, nodes);
					await flush(options("a", root));
					const at = `s3://${bucket.bucket}/run ${runs++}/`;
					const exported = await exportTree({
						...options("a", root),
						...bucket.connection,
						to: at,
					});
					const source = readDisk(options("a", root).workspace);
					const left = new Set(exported.notCarried.map(({ path }) => diskName(path)));
					for (const { path, reason } of exported.notCarried) {
						// The test server keeps a directory's object under a longer name than its own.
						const isLong =
							Buffer.byteLength(path) > 1000 ||
							path.split("/").some((name) => Buffer.byteLength(name) > 240);
						expect(!path.isWellFormed() || isLong, `${path}: ${reason}`).toBe(true);
					}
					expect(exported.exitStatus).toBe(left.size > 0 ? 3 : 0);
					expect(exported.files + exported.directories + exported.links + 1).toBe(
						source.size - left.size,
					);

					expect(
						await importTree({ ...options("b", root), ...bucket.connection, from: at }),
					).toMatchObject({ leftOut: [] });
					await restore(options("b", root));
					// A directory that was not exported exists again, with a new mode and time, if something
					// below it was.
					const carried = (disk: ReadonlyMap<string, unknown>) =>
						new Map([...disk].filter(([path]) => !left.has(path)));
					expect(carried(readDisk(options("b", root).workspace))).toEqual(carried(source));
					rmSync(root, { recursive: true });
				}),
				{ numRuns: 6 },
			);
		},
		90_000,
	);
});

/** The path in the notation of `readDisk`. */
function diskName(path: string): string {
	const bytes = Buffer.concat(
		[...path].map((character) => {
			const unit = character.charCodeAt(0);
			return character.length === 1 && unit >= 0xdc80 && unit <= 0xdcff
				? Buffer.of(unit & 0xff)
				: Buffer.from(character);
		}),
	);
	return /^[\x20-\x7e]*$/.test(bytes.toString("latin1"))
		? bytes.toString("latin1")
		: `hex:${bytes.toString("hex")}`;
}

describe.skipIf(s3TestServer() === undefined)("export to objects", () => {
	it("writes the paths as keys, with modes, times and links alongside, the root last", async () => {
		await using bucket = await plainBucket();
		const workspace = await committed("anna");
		const large = noise(12 * 1024 * 1024 + 12);
		writeFileSync(join(workspace, "large.bin"), large, { mode: 0o600 });
		await flush(options("anna"));
		const to = `s3://${bucket.bucket}/backup/2026`;
		const exported = await exportTree({ ...options("anna"), ...bucket.connection, to });
		expect(exported).toMatchObject({
			to: `${to}/`,
			seq: 4,
			files: 3,
			directories: 2,
			links: 1,
			bytes: large.length + 3,
			exitStatus: 0,
		});
		const objects = await bucket.read("backup/2026/");
		const seen = [...objects].map(([key, { body, metadata }]) => [
			key.slice("backup/2026/".length),
			body.length,
			metadata.mode,
		]);
		expect(seen).toEqual([
			["", 0, (0o40000 | 0o755).toString(8)],
			["empty", 0, "100644"],
			["hollow/", 0, "40755"],
			["large.bin", large.length, "100600"],
			["link", 10, "120777"],
			["notes/", 0, "40755"],
			["notes/a.md", 3, "100640"],
		]);
		expect(objects.get("backup/2026/large.bin")?.body.equals(large)).toBe(true);
		expect(objects.get("backup/2026/link")?.body.toString()).toBe("../nowhere");
		expect(objects.get("backup/2026/hollow/")?.metadata.mtime).toBe("1000000000.000000000");
	});

	it("refuses a prefix that is not empty, unless told to overwrite, and then names the other objects", async () => {
		await using bucket = await plainBucket();
		await committed("anna");
		const to = `s3://${bucket.bucket}/backup/`;
		await bucket.put("backup/");
		const to_ = { ...options("anna"), ...bucket.connection, to };
		expect(await exportTree(to_)).toMatchObject({ others: 0 });
		await bucket.put("backup/notes/a.md", "changed there");
		await bucket.put("backup/mine.txt", "mine");
		await expect(exportTree(to_)).rejects.toMatchObject({
			code: "TARGET_NOT_EMPTY",
			exitStatus: 2,
		});
		expect((await bucket.read("backup/")).get("backup/notes/a.md")?.body.toString()).toBe(
			"changed there",
		);
		expect(await exportTree({ ...to_, overwrite: true })).toMatchObject({
			others: 1,
			exitStatus: 0,
		});
		const objects = await bucket.read("backup/");
		expect(objects.get("backup/notes/a.md")?.body.toString()).toBe("one");
		expect(objects.get("backup/mine.txt")?.body.toString()).toBe("mine");
	});

	it("refuses the whole bucket, and a place among the logs", async () => {
		await using bucket = await plainBucket();
		const log = { ...options("anna"), ...bucket.connection, store: `s3://${bucket.bucket}` };
		mkdirSync(log.workspace, { recursive: true });
		writeFileSync(join(log.workspace, "a"), "1");
		await flush(log);
		const before = await bucket.count("");
		for (const to of ["", "/", "/users/bob", "/users/anna/log", "/users"]) {
			await expect(
				exportTree({ ...log, to: `s3://${bucket.bucket}${to}` }),
				to,
			).rejects.toMatchObject({ code: "USAGE" });
		}
		expect(await bucket.count("")).toBe(before);
		// Next to them it may.
		expect(await exportTree({ ...log, to: `s3://${bucket.bucket}/backup` })).toMatchObject({
			files: 1,
		});
	});

	it("names what keys cannot carry, writes the rest, and reports it", async () => {
		await using bucket = await plainBucket();
		const { workspace } = options("anna");
		mkdirSync(workspace, { recursive: true });
		writeFileSync(Buffer.concat([Buffer.from(`${workspace}/`), Buffer.of(0xff)]), "1");
		const deep = Array.from({ length: 5 }, () => "x".repeat(210)).join("/");
		mkdirSync(join(workspace, deep), { recursive: true });
		writeFileSync(join(workspace, deep, "f"), "2");
		writeFileSync(join(workspace, "plain"), "3");
		await flush(options("anna"));
		const exported = await exportTree({
			...options("anna"),
			...bucket.connection,
			to: `s3://${bucket.bucket}/backup/`,
		});
		expect(exported).toMatchObject({ files: 1, exitStatus: 3 });
		expect(exported.notCarried.map(({ path }) => path).sort()).toEqual(
			["\udcff", deep, `${deep}/f`].sort(),
		);
	});

	it("leaves no sign of completeness if it fails", async () => {
		await using bucket = await plainBucket();
		const workspace = await committed("anna");
		writeFileSync(join(workspace, "large.bin"), noise(9 * 1024 * 1024));
		await flush(options("anna"));
		// A pack that is missing.
		rmSync(join(dir, "store/users/anna/packs"), { recursive: true });
		const failed = exportTree({
			...options("anna"),
			...bucket.connection,
			to: `s3://${bucket.bucket}/backup/`,
		});
		await expect(failed).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
		const keys = [...(await bucket.read("backup/")).keys()];
		expect(keys).not.toContain("backup/");
		expect(keys).not.toContain("backup/large.bin");
		expect(await bucket.openUploads()).toBe(0);
	});
});
