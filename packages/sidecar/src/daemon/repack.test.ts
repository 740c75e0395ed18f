import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Place } from "../../test/cli.ts";
import { readDisk } from "../../test/disk.ts";

it("an idle daemon moves what is needed out of a pack that is mostly dead, once, and says so", async () => {
	using place = new Place();
	const cli = async (verb: string) => expect((await place.cli("a", [verb])).status).toBe(0);
	mkdirSync(place.path("a"));
	writeFileSync(place.path("a", "keep"), randomBytes(1024 * 1024));
	// Two packs: one of them is full of this.
	writeFileSync(place.path("a", "drop"), randomBytes(15 * 1024 * 1024));
	await cli("flush");
	rmSync(place.path("a", "drop"));
	await cli("flush");
	const disk = readDisk(place.path("a"));
	await using daemon = await place.run("a", ["--sweep-interval", "1s", "--log-level", "debug"]);
	const repacked = await daemon.waitForEvent("repack.committed");
	expect(repacked).toMatchObject({ objects: 1 });
	// Sweeps go on, and find nothing to do.
	const from = daemon.events.length;
	await daemon.waitForEvent("durability.measured", (event) => daemon.events.indexOf(event) > from);
	await daemon.waitForEvent("flush.nothing", (event) => daemon.events.indexOf(event) > from + 1);
	expect(daemon.events.filter(({ event }) => event.startsWith("repack."))).toEqual([repacked]);
	expect((await daemon.stop("SIGTERM")).status).toBe(0);
	expect((await place.cli("b", ["restore"])).status).toBe(0);
	expect(readDisk(place.path("b"))).toEqual(disk);
});
