/** The model behind docs/scale.md. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readLog } from "../../sidecar/src/commit/read-log.ts";
import { AgingStore } from "../../testkit/store/aging-store.ts";
import { WrittenLog } from "../../testkit/store/written-log.ts";
import { workbench } from "../../testkit/workbench.ts";
import { settings } from "../lib/settings/config.ts";
import { S3_GETS } from "./retention-model.ts";
import {
	BUSY_HOUR,
	LIMITS,
	MORNING,
	SESSION,
	START,
	START_READS,
	simulateHerd,
	usersAt,
} from "./scale-model.ts";
import { limitsPage } from "./scale-page.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

test("a start reads each commit since the last full one with one GET", async () => {
	const log = new WrittenLog();
	for (let count = 0; count < START.commits; count++) log.write({ file: String(count) });
	await readLog(log.store);
	expect(log.gets).toBe(START.commits);
});

test("the first start costs what the model adds to that, and a flush one PUT", async () => {
	const store = new AgingStore();
	await using bench = await workbench(store);
	const session = await bench.open("a");
	const { lists, puts, readBacks } = START;
	expect(store.requests).toEqual({ list: lists, get: readBacks, put: puts });
	await session.flush({ sweep: true });
	expect(store.requests.put).toBeLessThanOrEqual(puts + 1);
	expect(SESSION.puts).toBe(150 + 1);
});

test("a herd within S3's rate is not refused, and the same seed gives the same numbers", () => {
	const small = { starts: 100, withinS: 1, prefixes: 1, played: 100 };
	expect(simulateHerd(small)).toMatchObject({ ready: 1, refused: 0, repeated: 0 });
	const large = { starts: 10_000, withinS: 1, prefixes: 1, played: 50 };
	expect(simulateHerd(large)).toEqual(simulateHerd(large));
	expect(simulateHerd({ ...large, seed: 2 })).not.toEqual(simulateHerd(large));
});

test("with the store's own pauses all of a herd are ready about when S3 has served them", () => {
	const herd = { starts: 10_000, withinS: 1, prefixes: 1, played: 100 };
	const long = { ...herd, starts: 100_000, withinS: 300 };
	for (const each of [herd, long]) {
		const { ready, slowestS } = simulateHerd(each);
		expect(ready).toBe(1);
		expect(slowestS).toBeLessThan((1.1 * each.starts * START_READS) / S3_GETS);
	}
	expect(simulateHerd({ ...herd, slowDown: "fault" }).ready).toBeLessThan(0.2);
});

test("each limit is met by fewer users who begin together, and the page's advice holds", () => {
	const at = (what: string, load = MORNING) => {
		const found = LIMITS.filter((limit) => limit.what.startsWith(what));
		expect([what, found.length]).toEqual([what, 1]);
		return usersAt(found[0]!, load);
	};
	for (const limit of LIMITS)
		expect(usersAt(limit, MORNING)).toBeLessThan(usersAt(limit, BUSY_HOUR));
	// A cell.
	expect(at("Lambda")).toBeGreaterThan(25_000);
	expect(at("Lambda", BUSY_HOUR)).toBeGreaterThan(80_000);
	// Which of them are met with 10,000 users.
	const met = LIMITS.filter((limit) => usersAt(limit, MORNING) < 10_000);
	expect(met.map(({ what }) => what.slice(0, 22))).toEqual([
		"`openclaw:turnsAtOnce`",
		"AgentCore: machines at",
		"`openclaw:requestsPerI",
	]);
});

test("our own limits are those of the package", () => {
	const chats = (file: string) => read(`packages/infra/lib/chats/${file}`);
	const FIXED = new Map([
		[50, chats("webhook-api.ts").includes("throttlingRateLimit: 50,")],
		[6_000, chats("firewall.ts").includes('rate("TooManyDocuments", 10, 6_000, DOCUMENTS)')],
	]);
	const ours = LIMITS.filter(({ whose }) => whose === "ours");
	const defaults = new Map(settings().map(({ name, default: value }) => [name, value]));
	for (const { what, value } of ours) {
		const [, setting] = /`(openclaw:\w+)`/.exec(what) ?? [];
		if (setting !== undefined)
			expect([setting, defaults.get(setting)]).toEqual([setting, `${value}`]);
		else expect(FIXED.get(value)).toBe(true);
	}
	expect(ours).toHaveLength(5);
});

test("docs/scale.md is what the model says", () => {
	expect(read("docs/scale.md")).toBe(limitsPage());
});
