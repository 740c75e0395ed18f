/**
 * A log as an agent leaves it after twelve days: the same bytes in every run. Written commit by
 * commit with the log's own codec, into a store whose clock stands still.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { InlineChunk } from "../../sidecar/src/log/block.ts";
import type { CommitFlags, Entry, Path } from "../../sidecar/src/log/types.ts";
import { namespaced } from "../../sidecar/src/store/namespaced.ts";
import { fileOf } from "../../testkit/arbitrary-log.ts";
import { Dice } from "../../testkit/dice.ts";
import { AgingStore } from "../../testkit/store/aging-store.ts";
import { WrittenLog } from "../../testkit/store/written-log.ts";

/** The store's clock while the page is looked at. */
export const NOW_MS = Date.UTC(2026, 10, 30, 14, 5);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const NAMESPACE = "anna";

export interface SampleLog {
	/** Of all namespaces. */
	readonly store: AgingStore;
	/** The text of MEMORY.md at noon of the day before. */
	readonly yesterday: string;
	readonly seqs: { readonly alarm: number };
}

const FULL_EVERY = 64;

class Writing {
	readonly log = new WrittenLog();
	readonly times: number[] = [];
	#writer = "";
	#fenceSeq = 1;

	start(writer: string, atMs: number): void {
		this.#writer = writer;
		this.#fenceSeq = this.times.length + 1;
		this.commit({}, atMs, { fence: true });
	}

	commit(
		files: Readonly<Record<Path, string | Buffer | undefined>>,
		atMs: number,
		flags: CommitFlags = {},
	): number {
		const changed = new Map<Path, Entry<InlineChunk>>();
		const removed = new Set<Path>();
		const mtimeNs = BigInt(atMs) * 1_000_000n;
		for (const [path, content] of Object.entries(files)) {
			if (content === undefined) {
				removed.add(path);
				continue;
			}
			const names = path.split("/").slice(0, -1);
			for (let count = 0; count <= names.length; count++) {
				const parent = names.slice(0, count).join("/");
				if (!this.log.head.tree.has(parent) && !changed.has(parent))
					changed.set(parent, { type: "dir", mode: 0o755, mtimeNs });
			}
			const bits = path.endsWith(".sqlite") ? 14 : 20;
			changed.set(path, fileOf(Buffer.from(content), bits, { mode: 0o644, mtimeNs }));
		}
		if (this.times.length === 0 && !changed.has(""))
			changed.set("", { type: "dir", mode: 0o700, mtimeNs });
		this.times.push(atMs);
		const seq = this.times.length;
		const info = { writer: this.#writer, fenceSeq: this.#fenceSeq, flags };
		if (seq % FULL_EVERY === 0) {
			const tree = new Map<Path, Entry<InlineChunk>>([
				...(this.log.head.tree as ReadonlyMap<Path, Entry<InlineChunk>>),
				...changed,
			]);
			for (const path of removed) tree.delete(path);
			return this.log.commit({ changed: tree, removed: new Set() }, { ...info, kind: "full" });
		}
		return this.log.commit({ changed, removed }, info);
	}
}

const day = (number: number, hour: number, minute = 0) =>
	NOW_MS - 14 * HOUR_MS - 5 * 60_000 - (11 - number) * DAY_MS + hour * HOUR_MS + minute * 60_000;

export async function sampleLog(): Promise<SampleLog> {
	const writing = new Writing();
	const dice = new Dice(7);
	const memory = ["# Memory", "", "- Anna prefers short answers.", "- Time zone: Europe/Berlin."];
	const notes = new Map<string, string[]>();
	let turns: string[] = [];
	let yesterday = "";
	let alarm = 0;

	for (let number = 0; number < 12; number++) {
		const writer = [..."0123456789abcdef"]
			.map((_, i) => ((number * 7 + i * 5) % 16).toString(16))
			.join("");
		writing.start(`${writer}${writer}`, day(number, 7, 58));
		if (number === 0)
			writing.commit(
				{
					"openclaw.json": JSON.stringify({ gateway: { port: 18_789 }, agents: ["main"] }, null, 2),
					"workspace/AGENTS.md": AGENTS,
					"workspace/SOUL.md": "# Soul\n\nCalm, exact, kind.\n",
					"workspace/MEMORY.md": `${memory.join("\n")}\n`,
					"workspace/skills/weather/SKILL.md": SKILL,
					"workspace/skills/weather/fetch.py": PYTHON,
					"workspace/site/index.html": HTML,
					"workspace/site/logo.svg": SVG,
					"workspace/pictures/garden.png": readFileSync(GARDEN),
					"credentials/telegram.json": '{ "botToken": "12345:not-a-real-token" }\n',
				},
				day(number, 8, 1),
			);
		for (let turn = 0; turn < 9; turn++) {
			const atMs = day(number, 8 + turn, dice.below(50));
			if (atMs > NOW_MS) break;
			turns.push(
				JSON.stringify({
					ts: new Date(atMs).toISOString(),
					role: "user",
					text: TOPICS[turn % 9],
					tokens: 20 + dice.below(90),
				}),
				JSON.stringify({
					ts: new Date(atMs + 9_000).toISOString(),
					role: "assistant",
					text: `About ${TOPICS[turn % 9]}: done.`,
					tokens: 200 + dice.below(900),
				}),
			);
			const name = `workspace/notes/2026-11-${String(19 + number).padStart(2, "0")}.md`;
			const note = notes.get(name) ?? [`# ${19 + number} November`, ""];
			note.push(`- ${TOPICS[turn % 9]}`);
			notes.set(name, note);
			const files: Record<string, string | Buffer> = {
				"workspace/transcript.jsonl": `${turns.join("\n")}\n`,
				[name]: `${note.join("\n")}\n`,
			};
			if (turn === 3 || turn === 6) {
				memory.push(`- ${19 + number} November: ${FACTS[(number * 2 + turn) % FACTS.length]}`);
				if (number === 11 && turn === 3) memory.splice(2, 6);
				files["workspace/MEMORY.md"] = `${memory.join("\n")}\n`;
			}
			if (turn === 5) files["workspace/data/expenses.sqlite"] = expenses(number + 1);
			writing.commit(files, atMs);
		}
		if (number === 10) yesterday = `${memory.join("\n")}\n`;
		if (number === 4) {
			const noise = Object.fromEntries([...notes.keys()].map((name) => [name, noiseOf(dice, 600)]));
			alarm = writing.commit(noise, day(number, 18, 11), { alarm: true });
			writing.commit(
				Object.fromEntries([...notes].map(([name, lines]) => [name, `${lines.join("\n")}\n`])),
				day(number, 18, 40),
			);
		}
		if (number === 6)
			writing.commit(
				{ "workspace/drafts/letter.md": "Dear Mrs Weber,\n\nthank you for the plums.\n" },
				day(number, 19),
			);
		if (number === 8)
			writing.commit({ "workspace/drafts/letter.md": undefined }, day(number, 9, 55));
		if (number === 9)
			writing.commit(
				{
					[`.recovered/${"5a".repeat(16)}/workspace/MEMORY.md`]: "# Memory\n\n- From the laptop.\n",
					[`.recovered/${"5a".repeat(16)}/workspace/notes/train.md`]: "ICE 704, 17:32\n",
				},
				day(number, 20),
			);
		if (number < 11) {
			turns = turns.slice(-60);
			writing.commit({}, day(number, 21), { closed: true });
		}
	}
	const store = new AgingStore(NOW_MS, "sample");
	const inside = namespaced(store, NAMESPACE);
	for (const [index, [key, bytes]] of [...writing.log.objects].entries()) {
		store.nowMs = writing.times[index] as number;
		await inside.putIfAbsent(key, bytes);
	}
	store.nowMs = NOW_MS;
	return { store, yesterday, seqs: { alarm } };
}

function noiseOf(dice: Dice, size: number): Buffer {
	return Buffer.from(Array.from({ length: size }, () => dice.below(256)));
}

function expenses(rows: number): Buffer {
	const directory = mkdtempSync(join(tmpdir(), "sidecar-ui-"));
	try {
		const path = join(directory, "db");
		const database = new DatabaseSync(path);
		database.exec(
			"CREATE TABLE expenses (id INTEGER PRIMARY KEY, day TEXT, what TEXT, cents INTEGER)",
		);
		database.exec("CREATE TABLE shops (name TEXT, town TEXT)");
		const insert = database.prepare("INSERT INTO expenses (day, what, cents) VALUES (?, ?, ?)");
		for (let row = 0; row < rows * 6; row++)
			insert.run(
				`2026-11-${String(19 + Math.floor(row / 6)).padStart(2, "0")}`,
				TOPICS[row % 9] as string,
				250 + row * 37,
			);
		database.exec("INSERT INTO shops VALUES ('Market hall', 'Potsdam'), ('Bakery', 'Berlin')");
		database.close();
		return readFileSync(path);
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

const GARDEN = new URL("./garden.png", import.meta.url);

const TOPICS = [
	"plums for the weekend",
	"train to Hamburg",
	"letter to Mrs Weber",
	"dentist on Tuesday",
	"photos of the garden",
	"rent and electricity",
	"a present for Jonas",
	"weather for the hike",
	"backup of the laptop",
];

const FACTS = [
	"the dentist moved to Tuesday, 09:40.",
	"Jonas likes chess and rye bread.",
	"the landlord is paid on the 3rd.",
	"Mrs Weber waters the plants in December.",
	"the spare key is with the neighbours.",
	"no meetings before nine.",
	"the bicycle is at the workshop.",
];

const AGENTS = `# Agents

How this workspace is used.

## Rules

1. Read \`MEMORY.md\` first.
2. Write what matters into \`notes/\`, one file per day.
3. Never send a letter without asking.

| Folder | Holds |
|---|---|
| notes | one page per day |
| data | expenses |
| skills | what the agent can do |

> Keep it short. <b>No HTML</b> is ever run.
`;

const SKILL = `---
name: weather
description: Looks up the weather.
---

# Weather

- [x] today
- [ ] the week

\`\`\`python
print(fetch("Berlin"))
\`\`\`
`;

const PYTHON = `"""Looks up the weather."""
import json
from urllib.request import urlopen


def fetch(town: str) -> dict:
    # One request, no retries.
    with urlopen(f"https://weather.example/{town}", timeout=5) as answer:
        return json.load(answer)


if __name__ == "__main__":
    print(fetch("Berlin")["temperature"], "degrees")
`;

const HTML = `<!doctype html>
<title>Anna</title>
<script>document.title = "this ran"; fetch("https://evil.example/")</script>
<p>Hello.</p>
`;

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80">
<script>document.title = "this ran"</script>
<rect width="120" height="80" rx="12" fill="#2a6fbb"/>
<circle cx="60" cy="40" r="22" fill="#e99a4f"/>
</svg>
`;
