/** A workspace that is a directory of an image: the lower layer of an overlay file system. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { loadFileTimes } from "./file-times.ts";
import { Materializer } from "./materialize.ts";
import { identityOf, lstatPath } from "./stat.ts";

describe("a workspace in an image's layer", () => {
	// @id overlay-directory
	it("is the same directory before and after a restore writes to it", async (context) => {
		const dir = mkdtempSync(join(tmpdir(), "sidecar-overlay-"));
		try {
			using made = mounted(context);
			made.tmpfs(join(dir, "disk"));
			const [lower, upper, work, merged] = ["disk/lower", "disk/upper", "disk/work", "merged"].map(
				(name) => join(dir, name),
			);
			for (const each of [`${lower}/home`, upper, work, merged])
				mkdirSync(each as string, { recursive: true });
			made.overlay(
				{ lower: lower as string, upper: upper as string, work: work as string },
				merged as string,
			);
			const root = join(merged as string, "home");
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
		} finally {
			rmSync(dir, { recursive: true, force: true });
		}
	});
});
