/**
 * Measures the page over a log of 10,000 commits and 50,000 files in a directory of this machine:
 * `node packages/ui/test/measure-large.ts [COMMITS] [FILES] [DIRECTORY]`. docs/ui.md has the numbers.
 * A named directory is kept, and used again.
 */
import { hash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { decodeCommit, encodeCommit } from "../../sidecar/src/log/commit-codec.ts";
import { EMPTY_HEAD, foldOnto, ownedHead } from "../../sidecar/src/log/fold.ts";
import type { BlockRef, Entry, Path } from "../../sidecar/src/log/types.ts";
import { serveUi } from "../../sidecar/src/ui/server.ts";
import { infoOf } from "../../testkit/arbitrary-log.ts";
import { chromiumPath, startChromium } from "./chromium.ts";

const [commits = 10_000, files = 50_000] = process.argv.slice(2, 4).map(Number);
const kept = process.argv[4];
const FULL_EVERY = 64;
const FILES_PER_DIRECTORY = 500;
const COMMITS_PER_WRITER = 700;

const directory = kept ?? mkdtempSync(join(tmpdir(), "sidecar-ui-large-"));
const store = join(directory, "store");
const stop = new AbortController();
try {
	const began = performance.now();
	if (!existsSync(store)) writeLog();
	console.log(`written in ${seconds(performance.now() - began)}`);
	await measure();
} finally {
	stop.abort();
	if (kept === undefined) rmSync(directory, { recursive: true, force: true });
}

function writeLog(): void {
	// Content that is never read: one block of a pack that does not exist.
	const block: BlockRef = {
		...{ key: `packs/${"0".repeat(64)}`, offset: 64, storedBytes: 64, rawBytes: 64 },
		...{ codec: 0, crc32: 0 },
	};
	const file = (): Entry => ({
		...{ type: "file", mode: 0o644, mtimeNs: BigInt(Date.now()) * 1_000_000n },
		...{ size: 64, chunkBits: 20 },
		chunks: [{ sha256: hash("sha256", randomBytes(16), "hex"), block, offset: 0, length: 64 }],
	});
	const directoryEntry: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };
	const first = new Map<Path, Entry>([
		["", directoryEntry],
		["workspace", directoryEntry],
		["workspace/all", directoryEntry],
	]);
	for (let index = 0; index < files; index++) {
		// Half of them are in one directory.
		if (index % 2 === 0) {
			first.set(`workspace/all/file-${String(index).padStart(6, "0")}.txt`, file());
			continue;
		}
		const parent = `workspace/part-${Math.floor(index / FILES_PER_DIRECTORY)}`;
		first.set(parent, directoryEntry);
		first.set(`${parent}/file-${index}.txt`, file());
	}
	let head = ownedHead(EMPTY_HEAD);
	let fenceSeq = 1;
	for (let seq = 1; seq <= commits; seq++) {
		const isFull = seq % FULL_EVERY === 0;
		const path = `workspace/all/file-${String((seq * 14) % files).padStart(6, "0")}.txt`;
		const changed = seq === 1 ? first : new Map([[path, file()]]);
		const whole = isFull ? new Map([...head.tree, ...changed]) : changed;
		const writer = hash("sha256", String(Math.floor((seq - 1) / COMMITS_PER_WRITER)), "hex").slice(
			0,
			32,
		);
		const isFence = (seq - 1) % COMMITS_PER_WRITER === 0;
		if (isFence) fenceSeq = seq;
		const info = infoOf(seq, {
			...{ writer, fenceSeq, flags: isFence ? { fence: true } : {}, previousId: head.id },
			...(isFull ? { kind: "full", fullSeq: seq } : { fullSeq: head.fullSeq }),
		});
		const { key, bytes } = encodeCommit(info, { changed: whole, removed: new Set() }, head.tree);
		const place = join(store, "users/large", key);
		mkdirSync(dirname(place), { recursive: true });
		writeFileSync(place, bytes);
		head = foldOnto(head, [decodeCommit(key, bytes, bytes.length)]);
	}
}

async function measure(): Promise<void> {
	const url = await new Promise<string>((resolve, reject) => {
		serveUi({
			...{ store: pathToFileURL(store).href, namespace: "large", port: 0, allowsRestore: false },
			...{ workspace: join(directory, "ws"), stateDir: join(directory, "state") },
			signal: stop.signal,
			onListening: async (address) => resolve(address),
		}).catch(reject);
	});
	const browser = await startChromium(chromiumPath() as string);
	const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
	page.setDefaultTimeout(120_000);
	const began = performance.now();
	await page.goto(url);
	const paint = await page.evaluate<number>(
		"new Promise((resolve) => new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime)).observe({ type: 'paint', buffered: true }))",
	);
	console.log(`first paint                       ${seconds(paint)}`);
	await page.locator(".chart canvas").waitFor();
	console.log(`the timeline of ${commits} commits    ${seconds(performance.now() - began)}`);
	await page.locator(".tree-row .name").first().waitFor();
	console.log(`the tree of ${files} files         ${seconds(performance.now() - began)}`);
	await longTasks(browser, page, "opening a directory of half of them", async () => {
		await page.getByRole("treeitem", { name: /^all/ }).click();
		await page.getByRole("treeitem", { name: /file-/ }).first().waitFor();
	});
	await longTasks(browser, page, "scrolling through it", async () => {
		await page.mouse.move(150, 600);
		for (let step = 0; step < 120; step++)
			await page.mouse.wheel(0, step % 10 === 0 ? 60_000 : 700);
		await page.locator(".tree-row .name").first().waitFor();
	});
	await longTasks(browser, page, "opening the table of commits", async () => {
		await page.getByRole("button", { name: "Table" }).click();
		await page.locator(".grid-row .writer").first().waitFor();
	});
	await longTasks(browser, page, "scrolling through it", async () => {
		await page.mouse.move(300, 250);
		for (let step = 0; step < 120; step++) await page.mouse.wheel(0, step % 10 === 0 ? 8_000 : 700);
	});
	const asked = performance.now();
	await page.getByLabel("Go to a time").fill(String(Math.floor(commits / 2)));
	await page.getByRole("button", { name: "Go", exact: true }).click();
	await page
		.getByText(`#${Math.floor(commits / 2)}`, { exact: true })
		.first()
		.waitFor();
	console.log(`going to the middle of the log    ${seconds(performance.now() - asked)}`);
	await page.getByRole("searchbox").fill(`file-${String((commits * 14) % files).padStart(6, "0")}`);
	const searched = performance.now();
	await page.getByRole("region", { name: "Search" }).getByRole("button").first().click();
	await page.getByRole("radio").first().waitFor();
	console.log(`the first version of a file       ${seconds(performance.now() - searched)}`);
	await browser.close();
}

/** By the processor time of the page's main thread: other programs of the machine do not count. */
async function longTasks(browser: Browser, page: Page, what: string, act: () => Promise<void>) {
	await browser.startTracing(page, {
		categories: ["toplevel", "disabled-by-default-cpu_profiler"],
	});
	await act();
	const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
		traceEvents: {
			readonly name: string;
			readonly pid: number;
			readonly tid: number;
			readonly tdur?: number;
			readonly args: { readonly name?: string };
		}[];
	};
	const mains = new Set(
		traceEvents
			.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
			.map(({ pid, tid }) => `${pid} ${tid}`),
	);
	const tasks = traceEvents
		.filter(({ pid, tid, tdur }) => mains.has(`${pid} ${tid}`) && tdur !== undefined)
		.map(({ tdur = 0 }) => tdur / 1000);
	const long = tasks.filter((ms) => ms > 50).length;
	const longest = tasks.reduce((most, ms) => Math.max(most, ms), 0);
	console.log(`${what}: ${long} tasks over 50 ms, longest ${longest.toFixed(1)} ms`);
}

function seconds(ms: number): string {
	return `${(ms / 1000).toFixed(2)} s`;
}
