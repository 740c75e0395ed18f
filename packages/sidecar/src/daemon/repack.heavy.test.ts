import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { now, thisEnvironment } from "../commit/environment.ts";
import { LogWriter } from "../commit/log-writer.ts";
import { readLog } from "../commit/read-log.ts";
import { namespaced } from "../store/namespaced.ts";
import { openStore } from "../store/open.ts";

it("an idle daemon moves live content out of a mostly dead pack once, after a FULL commit, and logs it", async () => {
	using place = new Place();
	mkdirSync(place.path("a"));
	writeFileSync(place.path("a", "keep"), randomBytes(1024 * 1024));
	// Two packs: this fills one of them.
	writeFileSync(place.path("a", "drop"), randomBytes(15 * 1024 * 1024));
	expect((await place.cli("a", ["flush"])).status).toBe(0);
	rmSync(place.path("a", "drop"));
	expect((await place.cli("a", ["flush"])).status).toBe(0);
	await fillTo(place, 61);
	// Its fence is 62.
	await using daemon = await place.run("a", ["--sweep-interval", "1s", "--log-level", "debug"]);
	for (const seq of [63, 64]) {
		writeFileSync(place.path("a", "turn"), String(seq));
		await daemon.waitForEvent("flush.committed", (event) => event.seq === seq);
	}
	const repacked = await daemon.waitForEvent("repack.committed");
	expect(repacked).toMatchObject({ seq: 65, objects: 1 });
	// Rescans continue, and find nothing to do.
	const from = daemon.events.length;
	await daemon.waitForEvent("durability.measured", (event) => daemon.events.indexOf(event) > from);
	await daemon.waitForEvent("flush.nothing", (event) => daemon.events.indexOf(event) > from + 1);
	expect(daemon.events.filter(({ event }) => event.startsWith("repack."))).toEqual([repacked]);
	expect((await daemon.stop("SIGTERM")).status).toBe(0);
	expect((await place.cli("b", ["restore"])).status).toBe(0);
	expect(readDisk(place.path("b"))).toEqual(readDisk(place.path("a")));
	// A rescan waits 500 times its own cost: on a busy machine that is most of a minute.
}, 120_000);

/** Commits without content, by a writer that has no disk. */
async function fillTo(place: Place, seq: number): Promise<void> {
	const store = namespaced(await openStore(pathToFileURL(place.store).href, {}), "default");
	const writer = new LogWriter(
		store,
		thisEnvironment,
		(await readLog(store)).head,
		now(thisEnvironment),
	);
	expect((await writer.fence()).kind).toBe("committed");
	while (writer.head.seq < seq)
		expect((await writer.commit({ changed: new Map(), removed: new Set() }, [], {})).kind).toBe(
			"committed",
		);
	await store.close();
}
