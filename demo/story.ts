/** The demo's story: a workspace that outlives its machine. Each step is looked at from outside; see `compare.ts` and `durable.ts`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Agent } from "./agent.ts";
import { compareDatabases, compareTrees, databasesOf, scan } from "./compare.ts";
import { durable } from "./durable.ts";
import { DELETED, DELETED_CONTENT, databaseWriter, makeEdits, ROWS, writeDrafts } from "./edits.ts";
import type { Machine } from "./machine.ts";
import { allGone, type LogEvent, type Running, textOf } from "./processes.ts";
import { bytes, many, type Report, seconds } from "./report.ts";
import { type HistoryEntry, Sidecar } from "./sidecar.ts";

export interface Stage {
	readonly report: Report;
	readonly agent: Agent;
	readonly first: Machine;
	readonly second: Machine;
	/** file:// URL */
	readonly store: string;
	readonly isIsolated: boolean;
}

const STATE = "home/.openclaw";

export async function tell(stage: Stage): Promise<void> {
	const before = await firstLife(stage);
	await secondLife(stage, before);
}

interface FirstLife {
	readonly headSeq: number;
	readonly messages: number;
}

async function firstLife({ report, agent, first, store }: Stage): Promise<FirstLife> {
	const sidecar = new Sidecar(first, store);
	const disk = join(first.outside, STATE);

	report.title("1  First boot, on an empty store");
	await report.step("a state directory with OpenClaw's shape", async () => await agent.prepare(disk));
	const daemon = sidecar.run(agent.command(sidecar.stateDirectory), agent.env);
	await report.step("openclaw-sidecar run -- the gateway", async () => await opened(daemon));
	await report.step("the gateway takes turns", async () => {
		await agent.ready(daemon);
		return "";
	});
	await report.step("what was on the disk is in the log", async () => {
		const { seq, bytes: uploaded } = await durable(daemon, sidecar, disk, 0);
		return `commit ${seq}, ${bytes(uploaded)} uploaded`;
	});

	report.title("2  Work, while the sidecar watches");
	let messages = 0;
	for (const [i, text] of ["Hello, who are you?", "Remember the plan. [[write:notes/plan.md:5000]]", "How far are we?"].entries()) {
		await report.step(`turn ${i + 1}: ${text.split(" [[")[0]}`, async () => {
			messages = (await agent.turn(text)).messages;
			return `the model was given ${messages} messages`;
		});
	}
	let mark = 0;
	await report.step("files that the edits below will change", () => writeDrafts(disk));
	let draftsSeq = 0;
	await report.step("wait until all of it is durable", async () => {
		const { seq, commits, bytes: uploaded } = await durable(daemon, sidecar, disk, mark);
		draftsSeq = seq;
		return `commit ${seq}; ${many(commits, "commit")} so far, ${bytes(uploaded)}`;
	});
	mark = daemon.mark;
	await report.step("edits", () => makeEdits(disk));
	await report.step(`${ROWS} rows by a process that dies before its checkpoint`, async () => {
		await first.run(databaseWriter(sidecar.stateDirectory));
		return "they are in the -wal file only";
	});
	await report.step("wait until all of it is durable", async () => {
		const { seq, commits, bytes: uploaded } = await durable(daemon, sidecar, disk, mark);
		return `commit ${seq}; ${many(commits, "commit")}, ${bytes(uploaded)}`;
	});
	const deleted = await sidecar.cat(DELETED, "--at", String(draftsSeq));
	report.claim(
		`the deleted file is still there in commit ${draftsSeq}`,
		deleted.toString() === DELETED_CONTENT ? [] : [`cat says: ${deleted}`],
	);

	report.title("3  The machine dies");
	await report.step(`kill -9 of the sidecar, the gateway and all their children`, async () => {
		daemon.killGroup();
		const exit = await daemon.exited;
		// Some lead groups of their own, and end when they find themselves alone.
		await allGone(10_000);
		return `process group ${daemon.pid}: ${textOf(exit)}`;
	});
	return { headSeq: Number(daemon.events("flush.committed").at(-1)?.seq ?? 0), messages };
}

async function secondLife({ report, agent, first, second, store, isIsolated }: Stage, before: FirstLife): Promise<void> {
	const sidecar = new Sidecar(second, store);
	const old = join(first.outside, STATE);
	const disk = join(second.outside, STATE);

	report.title(`4  Another machine${isIsolated ? `, ${second.hostname}: an empty directory at the same path` : ": another directory"}`);
	await report.step("openclaw-sidecar restore", async () => {
		const { seq, files, bytes: size } = await sidecar.restore();
		return `commit ${seq}: ${many(files, "file")}, ${bytes(size)}`;
	});
	compareDisks(report, old, disk);

	report.title("5  Life goes on there");
	const daemon = sidecar.run(agent.command(sidecar.stateDirectory), agent.env);
	await report.step("openclaw-sidecar run -- the gateway", async () => {
		const detail = await opened(daemon);
		const waited = daemon.events("handover.waiting").length > 0;
		return waited ? `${detail}; waited for the first machine in vain` : detail;
	});
	await report.step("the gateway takes turns, under the other machine's name", async () => {
		await agent.ready(daemon);
		return "";
	});
	let messages = 0;
	await report.step("one more turn of the same conversation", async () => {
		messages = (await agent.turn("Do you remember?")).messages;
		return `the model was given ${messages} messages`;
	});
	const goesOn = messages > before.messages ? [] : [`${before.messages} messages before, ${messages} now: a new conversation`];
	report.claim("the conversation goes on where it was", goesOn, `${before.messages} → ${messages} messages`);

	await report.step("SIGTERM: drain and exit", async () => {
		daemon.signal("SIGTERM");
		const exit = await daemon.exited;
		const [drained] = daemon.events("drain.finished");
		if (exit.code !== 0) throw new Error(`${textOf(exit)} instead of 0\n${daemon.tail}`);
		await allGone(10_000);
		return `exit status 0, head ${drained?.headSeq}, drained in ${seconds(Number(drained?.ms ?? 0))}`;
	});
	await lookAtTheLog(report, sidecar, disk, before);
}

/** The gate: the restore comes before the fence, the fence before the agent. */
async function opened(daemon: Running): Promise<string> {
	const names = ["restore.finished", "fence.won", "agent.started", "watch.started"];
	const events: LogEvent[] = [];
	for (const name of names) events.push(await daemon.event(name));
	const order = events.slice(0, 3).map(({ time }) => Date.parse(String(time)));
	if (order.some((time, i) => i > 0 && time < (order[i - 1] as number)))
		throw new Error(`the gate opened too early: ${JSON.stringify(events)}`);
	return `restored commit ${events[0]?.seq}, fence ${events[1]?.seq}, then the agent`;
}

function compareDisks(report: Report, old: string, disk: string): void {
	const tree = compareTrees(old, disk);
	const shape = `${many(tree.files, "file")}, ${bytes(tree.bytes)}, ${many(tree.directories, "directory").replace("directorys", "directories")}, ${many(tree.links, "link")}`;
	report.claim("byte for byte: content, modes, times to the ns, link targets", tree.problems, shape);

	const databases = databasesOf(scan(old));
	const compared = databases.map((path) => compareDatabases(path, join(old, path), join(disk, path)));
	const problems = compared.flatMap((one) => one.problems);
	const sum = (of: (one: (typeof compared)[number]) => number) => compared.reduce((total, one) => total + of(one), 0);
	report.claim(
		"databases are sound and have every committed row, not one more",
		problems,
		`${many(databases.length, "database")}, ${many(
			sum(({ tables }) => tables),
			"table",
		)}, ${many(
			sum(({ rows }) => rows),
			"row",
		)}`,
	);
	const leases = sum((one) => one.leases);
	report.claim(
		"the dead machine's leases are gone",
		leases > 0 ? [] : ["there was none to begin with"],
		`${many(leases, "row")} on the old disk, 0 here`,
	);
	const beside = databases
		.flatMap((path) => ["-wal", "-shm", "-journal"].map((suffix) => `${path}${suffix}`))
		.filter((path) => existsSync(join(disk, path)));
	report.claim("no stale -wal, -shm or -journal lies beside a database", beside);
	report.note(
		"A database file itself differs by design: what is kept is a consistent snapshot of its transactions, write-ahead log included.",
	);
}

async function lookAtTheLog(report: Report, sidecar: Sidecar, disk: string, before: FirstLife): Promise<void> {
	const history = await sidecar.history();
	const newest = history[0] as HistoryEntry;
	const problems: string[] = [];
	if (newest.flags.closed !== true) problems.push("the newest commit is not marked as closed");
	if (!history.some(({ seq }) => seq === before.headSeq)) problems.push(`commit ${before.headSeq} of the first machine is not in the log`);
	if (history.some(({ seq }, i) => i > 0 && seq !== (history[i - 1]?.seq ?? 0) - 1)) problems.push("the log has a gap");
	const writers = new Set(history.map(({ writer }) => writer)).size;
	if (writers !== 2) problems.push(`${writers} writers instead of 2`);
	report.claim("one log, both machines, closed in order", problems, `${many(history.length, "commit")} by ${many(writers, "writer")}`);
	const listed = new Set((await sidecar.list()).map(({ path }) => path));
	const missing = [...scan(disk).keys()].filter((path) => !listed.has(path));
	report.claim(
		"exit status 0 meant it: all that is on the disk is in the log",
		missing.map((path) => `${path}: not in the log`),
	);
	report.note(`openclaw-sidecar history\n${history.slice(0, 6).map(historyLine).join("\n")}${history.length > 6 ? "\n  …" : ""}`);
}

function historyLine({ seq, kind, flags, changed, removed, objectBytes }: HistoryEntry): string {
	const marks = Object.keys(flags).filter((name) => flags[name] === true);
	const what = changed + removed === 0 ? "" : `${changed} changed, ${removed} removed`;
	return `  ${String(seq).padStart(4)}  ${kind.padEnd(5)}  ${bytes(objectBytes).padStart(7)}  ${[...marks, what].join("  ")}`.trimEnd();
}
