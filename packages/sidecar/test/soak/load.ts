/**
 * The load of an agent for hours: 50 files a second, some of them deleted or renamed, and 200 rows
 * a second into a SQLite database in WAL mode. `node load.ts DIR SEED` runs until SIGTERM, and
 * prints its counts as JSON.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Dice } from "../../../testkit/dice.ts";

const FILES_PER_SECOND = 50;
const ROWS_PER_SECOND = 200;
/** Bounded like an agent's state, because the daemon's growth is measured, not the tree's. */
const DIRECTORIES = 40;
const NAMES = 50;
const KEPT_ROWS = 50_000;
const TICK_MS = 100;

const [root = "", seed = "1"] = process.argv.slice(2);
const dice = new Dice(Number(seed));
const database = new DatabaseSync(join(root, "state.db"));
database.exec(
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY, text TEXT)",
);
const insert = database.prepare("INSERT INTO turns (text) VALUES (?)");
const forget = database.prepare("DELETE FROM turns WHERE id <= ?");
for (let index = 0; index < DIRECTORIES; index++)
	mkdirSync(join(root, `d${index}`), { recursive: true });

let files = 0;
let rows = 0;
const startedMs = performance.now();

function place(): string {
	return join(root, `d${dice.below(DIRECTORIES)}`, `f${dice.below(NAMES)}`);
}

function writeOne(): void {
	files++;
	const choice = dice.roll();
	if (choice < 0.05) rmSync(place(), { force: true });
	else if (choice < 0.1) {
		const from = join(root, "new");
		writeFileSync(from, `${files}\n`);
		renameSync(from, place());
	} else writeFileSync(place(), `${files} ${dice.roll()}\n`.repeat(1 + dice.below(100)));
}

/** Catches up with the clock, so that the rate is exact in the long run. */
function tick(): void {
	const seconds = (performance.now() - startedMs) / 1000;
	while (files < seconds * FILES_PER_SECOND) writeOne();
	while (rows < seconds * ROWS_PER_SECOND) {
		const { lastInsertRowid } = insert.run(`${dice.roll()} `.repeat(5));
		rows++;
		if (rows % 1000 === 0) forget.run(Number(lastInsertRowid) - KEPT_ROWS);
	}
}

const timer = setInterval(tick, TICK_MS);
process.once("SIGTERM", () => {
	clearInterval(timer);
	database.close();
	console.log(JSON.stringify({ files, rows, seconds: (performance.now() - startedMs) / 1000 }));
});
