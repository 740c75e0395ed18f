import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { cli, jsonObject } from "../../../testkit/cli.ts";
import { workbench } from "../../../testkit/workbench.ts";

test("recover lists the writers, their amounts and times, then each file", async () => {
	await using bench = await workbench();
	const lost = await bench.open("lost");
	await bench.open("owner");
	mkdirSync(join(bench.workspace("lost"), "notes"));
	writeFileSync(join(bench.workspace("lost"), "notes/two.sh"), "12345678", { mode: 0o755 });
	await lost.flush({ sweep: true });
	const store = [
		"--store",
		pathToFileURL(join(bench.dir, "store")).href,
		"--namespace",
		"alice",
		"--state-dir",
		join(bench.dir, "state"),
	];
	const recover = async (...args: string[]) =>
		await cli(["recover", ...store, ...args], { cwd: bench.dir });

	const one = await recover("--writer", lost.writerId.slice(0, 6));
	const line = `${lost.writerId}  1 file, 8 B, 20[-0-9]{8} [:0-9]{8}( to 20[-0-9]{8} [:0-9]{8})?\n-rwxr-xr-x +8 B .*  notes/two.sh\n`;
	expect(one).toMatchObject({ status: 0, stdout: expect.stringMatching(new RegExp(`^${line}$`)) });
	const json = await recover("--json");
	expect(jsonObject(json.stdout).writers).toMatchObject([
		{
			writer: lost.writerId,
			files: 1,
			bytes: 8,
			entries: [{ path: "notes/two.sh", mode: "0755" }],
		},
	]);
});
