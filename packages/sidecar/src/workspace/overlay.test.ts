/** A workspace that is a directory of an image: the lower layer of an overlay file system. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { flush } from "../index.ts";
import { loadFileTimes } from "./file-times.ts";
import { Materializer } from "./materialize.ts";
import { identityOf, lstatPath } from "./stat.ts";

type Context = Parameters<typeof mounted>[0];

/** Runs `test` with a directory of an image that nothing has written to yet. */
async function inImage(
	context: Context,
	test: (root: string, dir: string) => Promise<void>,
): Promise<void> {
	const dir = mkdtempSync(join(tmpdir(), "sidecar-overlay-"));
	try {
		using made = mounted(context);
		made.tmpfs(join(dir, "disk"));
		const place = (name: string) => join(dir, name);
		const [lower, upper, work] = ["disk/lower", "disk/upper", "disk/work"].map(place) as [
			string,
			string,
			string,
		];
		const merged = place("merged");
		for (const each of [join(lower, "home"), upper, work, merged])
			mkdirSync(each, { recursive: true });
		writeFileSync(join(lower, "home/baked"), "in");
		made.overlay({ lower, upper, work }, merged);
		await test(join(merged, "home"), dir);
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}

describe("a workspace in an image's layer", () => {
	// @id overlay-directory
	it("is the same directory before and after a restore writes to it", async (context) => {
		await inImage(context, async (root) => {
			const identity = () =>
				identityOf(lstatPath(root, "") as NonNullable<ReturnType<typeof lstatPath>>);
			const writer = Materializer.open(root, await loadFileTimes());
			try {
				const before = identity();
				writeFileSync(join(root, "first"), "");
				expect(identity()).toBe(before);
			} finally {
				writer.close();
			}
		});
	});

	// @id overlay-flush
	it("is committed by its first one-shot flush, and by the next", async (context) => {
		await inImage(context, async (workspace, dir) => {
			const options = {
				store: pathToFileURL(join(dir, "store")).href,
				workspace,
				stateDir: join(dir, "state"),
				profile: "plain",
			} as const;
			expect(await flush(options)).toMatchObject({ kind: "committed", exitStatus: 0 });
			writeFileSync(join(workspace, "second"), "2");
			expect(await flush(options)).toMatchObject({ kind: "committed", exitStatus: 0 });
		});
	});
});
