/**
 * A rescan finds, within seconds, changes that the kernel does not announce. `lagMs` in the log
 * lines is an upper bound of their age.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CliProcess, Place } from "../../../testkit/cli.ts";

const SWEEP_MS = 5_000;

/**
 * Wraps the command so that the kernel grants it only a limited number of inotify instances or
 * watches; undefined if that is not possible here.
 */
function withLimit(
	name: "max_inotify_instances" | "max_inotify_watches",
	count: number,
): readonly string[] | undefined {
	const below = [
		"unshare",
		"--user",
		"--map-root-user",
		"sh",
		"-c",
		`echo ${count} > /proc/sys/user/${name} && exec "$@"`,
		"sh",
	];
	try {
		execFileSync("unshare", [...below.slice(1), "true"], { stdio: "ignore" });
		return below;
	} catch (error) {
		if (process.env.CI === "true") throw error;
		console.warn("skipped: no user namespace can be had here, so inotify cannot be limited");
		return undefined;
	}
}

const limited = withLimit("max_inotify_instances", 0);

/** The commit that holds the newest write. */
async function nextCommit(daemon: CliProcess) {
	const seen = daemon.events.length;
	return await daemon.waitForEvent(
		"flush.committed",
		(event) => daemon.events.indexOf(event) >= seen,
	);
}

describe.skipIf(limited === undefined)("without a single watch", () => {
	// @id unwatched-change
	test("the next rescan finds a change seconds later, and its lag counts from the previous rescan", async () => {
		using place = new Place();
		mkdirSync(place.path("a"));
		await using daemon = await place.run("a", [], { below: limited ?? [] });
		expect(await daemon.waitForEvent("watch.not-supported")).toMatchObject({
			level: "warn",
			directory: place.path("a"),
		});
		writeFileSync(place.path("a", "one"), "1");
		await nextCommit(daemon);
		const written = Date.now();
		writeFileSync(place.path("a", "two"), "2");
		const { lagMs } = await nextCommit(daemon);
		const ageMs = Date.now() - written;
		expect(lagMs).toBeGreaterThanOrEqual(SWEEP_MS * 0.9);
		// A minute is the interval of rescans elsewhere.
		expect(ageMs).toBeLessThan(20_000);
	});

	test("doctor warns, and gives a remedy", async () => {
		using place = new Place();
		mkdirSync(place.path("a"));
		const { stdout } = await place.cli("a", ["doctor", "--json"], { below: limited ?? [] });
		const { checks } = JSON.parse(stdout) as {
			readonly checks: readonly { readonly name: string }[];
		};
		expect(checks.find(({ name }) => name === "change notifications")).toMatchObject({
			status: "warning",
			found: expect.stringContaining("EMFILE"),
			remedy: expect.stringContaining("max_user_instances"),
		});
	});
});

// @id too-few-watches
test.skipIf(limited === undefined)("doctor and the daemon report too few watches", async () => {
	using place = new Place();
	mkdirSync(place.path("a", "1", "2", "3", "4"), { recursive: true });
	const below = withLimit("max_inotify_watches", 2) ?? [];
	expect((await place.cli("a", ["doctor"], { below })).stdout).toMatch(
		/WARNING +change notifications: .*ENOSPC/,
	);
	await using daemon = await place.run("a", [], { below });
	expect(await daemon.waitForEvent("watch.not-supported")).toMatchObject({
		reason: expect.stringContaining("ENOSPC"),
	});
	await daemon.stop();
});

/**
 * A file system whose other side is a directory of this machine; undefined without root, /dev/fuse
 * or bindfs.
 */
function mounted(under: string, over: string): Disposable | undefined {
	try {
		for (const directory of [under, over]) mkdirSync(directory, { recursive: true });
		execFileSync("bindfs", [under, over], { stdio: "ignore" });
		return { [Symbol.dispose]: () => void execFileSync("umount", ["--lazy", over]) };
	} catch {
		console.warn("skipped: no FUSE file system can be mounted here (root, /dev/fuse and bindfs)");
		return undefined;
	}
}

test.for([
	["the workspace", "ws"],
	["a directory in it", "ws/inner"],
] as const)(
	"if %s is a FUSE mount, a rescan finds a change made on its other side",
	async ([, name], context) => {
		using place = new Place();
		const under = join(place.dir, "under");
		mkdirSync(place.path("a"));
		const over = join(place.path("a"), "..", name);
		using mount = mounted(under, over);
		if (mount === undefined) return context.skip();
		expect((await place.cli("a", ["doctor"])).stdout).toContain(`${over}: FUSE or virtiofs`);
		await using daemon = await place.run("a");
		expect(await daemon.waitForEvent("watch.not-supported")).toMatchObject({ directory: over });
		writeFileSync(join(under, "remote"), "from the other side");
		const { lagMs } = await daemon.waitForEvent("flush.committed", ({ changed }) => changed !== 0);
		expect(lagMs).toBeLessThan(20_000);
		await daemon.stop();
		const path = name === "ws" ? "remote" : "inner/remote";
		expect((await place.cli("a", ["cat", path])).stdout).toBe("from the other side");
	},
);
