/**
 * The demo's story: a workspace outlives its machine. `compare.ts` and `durable.ts` check its
 * claims from outside.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { bytes, many, seconds } from "../packages/testkit/format.ts";
import type { Agent, Turn } from "../packages/testkit/openclaw/agent.ts";
import { allGone, type Running, textOf } from "../packages/testkit/processes.ts";
import { compareDatabases, compareTrees, databasesOf, scan } from "./compare.ts";
import { type Durable, durable } from "./durable.ts";
import { DELETED, DELETED_CONTENT, databaseWriter, makeEdits, ROWS, writeDrafts } from "./edits.ts";
import type { Machine } from "./machine.ts";
import type { Report } from "./report.ts";
import { type HistoryEntry, Sidecar } from "./sidecar.ts";

export interface Stage {
	readonly report: Report;
	readonly agent: Agent;
	readonly first: Machine;
	readonly second: Machine;
	/** file:// URL */
	readonly store: string;
	/** The demo's temporary directory. */
	readonly root: string;
	/** Support for separate host names and mounts. */
	readonly isIsolated: boolean;
}

/** What the first machine leaves: the log, and our knowledge of it. */
interface Legacy {
	readonly acknowledged: Durable;
	readonly lastTurn: Turn;
}

const STATE = "home/.openclaw";

export async function tell(stage: Stage): Promise<void> {
	const daemon = await boot(stage);
	const legacy = await work(stage, daemon);
	await die(stage, daemon);
	await restoreElsewhere(stage, legacy);
	await goOn(stage, legacy);
}

async function boot({ report, agent, first, store, root }: Stage): Promise<Running> {
	const sidecar = new Sidecar(first, store);
	const disk = join(first.outside, STATE);

	report.title("1  First boot, on an empty store");
	await report.step(
		"a state directory with OpenClaw's shape",
		async () => await agent.prepare(disk),
	);
	const daemon = sidecar.run(agent.command(sidecar.stateDirectory), agent.env);
	await report.step(`openclaw-sidecar run -- ${agent.shown}`, async () => await gateOpened(daemon));
	await report.step("the gateway is ready", async () => {
		await agent.ready(daemon);
		return "";
	});
	await report.step("the log has everything on the disk", async () => {
		const { seq, bytes: uploaded } = await durable({
			daemon,
			sidecar,
			disk,
			from: 0,
			copies: join(root, "copies"),
		});
		return `commit ${seq}; uploaded ${bytes(uploaded)}`;
	});
	report.proves(
		"No agent starts before a verified restore and a won fence; an empty store loses nothing on the disk.",
	);
	return daemon;
}

async function work(
	{ report, agent, first, store, root }: Stage,
	daemon: Running,
): Promise<Legacy> {
	const sidecar = new Sidecar(first, store);
	const disk = join(first.outside, STATE);
	const copies = join(root, "copies");

	report.title("2  Work, while the sidecar watches");
	let from = daemon.mark;
	let lastTurn: Turn = { messages: 0 };
	for (const [i, text] of [
		"Hello, who are you?",
		"Remember the plan. [[write:notes/plan.md:5000]]",
		"How far are we?",
	].entries()) {
		await report.step(`turn ${i + 1}: ${text.split(" [[")[0]}`, async () => {
			lastTurn = await agent.turn(text);
			return turnDetail(lastTurn);
		});
	}
	let drafts: Durable | undefined;
	await report.step("5 files to be edited; wait until all is durable", async () => {
		writeDrafts(disk);
		drafts = await durable({ daemon, sidecar, disk, from, copies });
		return progressOf(drafts);
	});

	from = daemon.mark;
	await report.step("create, append, rename, delete, chmod, link, mkdir", () => makeEdits(disk));
	await report.step(`${ROWS} rows by a process killed before its checkpoint`, async () => {
		await first.run(databaseWriter(sidecar.stateDirectory));
		return "they are in the -wal file only";
	});
	let acknowledged: Durable | undefined;
	await report.step("wait until all is durable", async () => {
		acknowledged = await durable({ daemon, sidecar, disk, from, copies });
		return progressOf(acknowledged);
	});
	const seq = drafts?.seq ?? 0;
	const deleted = await sidecar.cat(DELETED, "--at", String(seq));
	report.check(
		`the deleted file is still there in commit ${seq}`,
		deleted.toString() === DELETED_CONTENT ? [] : [`cat says: ${deleted}`],
	);
	report.proves(
		"What agent, people and other processes write is in the log seconds later, databases in use included; every commit stays readable.",
	);
	return { acknowledged: acknowledged as Durable, lastTurn };
}

async function die({ report }: Stage, daemon: Running): Promise<void> {
	report.title("3  The machine dies");
	await report.step("kill -9: the sidecar, the gateway, their children", async () => {
		daemon.killGroup();
		const exit = await daemon.exited;
		// Some lead their own process groups, and end when they notice that they are alone.
		await allGone(10_000);
		return `${textOf(exit)}, and no process is left`;
	});
}

async function restoreElsewhere(
	{ report, first, second, store, isIsolated }: Stage,
	legacy: Legacy,
): Promise<void> {
	const sidecar = new Sidecar(second, store);
	const old = join(first.outside, STATE);
	const disk = join(second.outside, STATE);

	report.title(
		isIsolated
			? `4  Another machine, ${second.hostname}: the same path, but empty`
			: "4  Another machine: an empty directory elsewhere",
	);
	await report.step("openclaw-sidecar restore", async () => {
		const { seq, files, bytes: size } = await sidecar.restore();
		return `commit ${seq}: ${many(files, "file")}, ${bytes(size)}`;
	});

	const listed = new Map(
		(await sidecar.list()).map(({ path, mtimeNs }) => [path, BigInt(mtimeNs)]),
	);
	const tree = compareTrees(old, disk, (path) => listed.get(path));
	report.check(
		"equal: content, modes, times to the ns, link targets",
		tree.problems,
		`${many(tree.files, "file")}, ${many(tree.directories, "directory", "directories")}, ${many(tree.links, "link")}; ${bytes(tree.bytes)} compared`,
	);
	compareAllDatabases(report, old, disk, legacy);
	report.proves(
		"kill -9 of everything loses nothing the log had taken: another machine has the same bytes, modes, times and links.",
	);
	report.proves(
		"Databases arrive as consistent snapshots with every committed row, without leases of the dead machine, without stale -wal files.",
	);
}

function compareAllDatabases(
	report: Report,
	old: string,
	disk: string,
	{ acknowledged }: Legacy,
): void {
	const databases = databasesOf(scan(old));
	const problems: string[] = [];
	const counts = { tables: 0, rows: 0, leases: 0 };
	for (const path of databases) {
		const compared = compareDatabases(path, join(old, path), join(disk, path));
		counts.tables += compared.tables;
		counts.rows += compared.rows;
		counts.leases += compared.leases;
		if (compared.problems.length === 0) continue;
		// The agent may have written between the last commit and its death. Then the exact state of the
		// commit must be here.
		const copy = acknowledged.databases.get(path);
		const isAcknowledged =
			copy !== undefined && compareDatabases(path, copy, join(disk, path)).problems.length === 0;
		if (isAcknowledged)
			report.note(
				`${path}: as of commit ${acknowledged.seq}; rows written in the moment before the kill are lost, by design`,
			);
		else problems.push(...compared.problems);
	}
	report.check(
		"databases: intact, with exactly the committed rows",
		problems,
		`${many(databases.length, "database")}, ${many(counts.tables, "table")}, ${many(counts.rows, "row")}`,
	);
	report.check(
		"the dead machine's leases are gone",
		counts.leases > 0 ? [] : ["there were none"],
		`${many(counts.leases, "row")} on its disk, none here`,
	);
	const beside = databases.flatMap((path) =>
		["-wal", "-shm", "-journal"].map((suffix) => `${path}${suffix}`),
	);
	report.check(
		"no stale -wal, -shm or -journal beside a database",
		beside.filter((path) => existsSync(join(disk, path))),
		`${beside.filter((path) => existsSync(join(old, path))).length} on its disk`,
	);
	report.note(
		"A database's file differs by design: the log has a consistent snapshot of its transactions, write-ahead log included.",
	);
}

async function goOn(
	{ report, agent, second, store, isIsolated }: Stage,
	{ acknowledged, lastTurn }: Legacy,
): Promise<void> {
	const sidecar = new Sidecar(second, store);
	const disk = join(second.outside, STATE);

	report.title("5  The conversation continues there");
	const daemon = sidecar.run(agent.command(sidecar.stateDirectory), agent.env);
	await report.step(`openclaw-sidecar run -- ${agent.shown}`, async () => {
		const detail = await gateOpened(daemon);
		const hasWaited = daemon.events("handover.waiting").length > 0;
		return hasWaited ? `${detail}; first waited for the dead one` : detail;
	});
	await report.step(
		`the gateway is ready${isIsolated ? ", under another host name" : ""}`,
		async () => {
			await agent.ready(daemon);
			return "";
		},
	);
	let turn: Turn = { messages: 0 };
	await report.step("one more turn of the same conversation", async () => {
		turn = await agent.turn("Do you remember?");
		return turnDetail(turn);
	});
	report.check(
		"the conversation continues where it was",
		newConversation(lastTurn, turn),
		`${lastTurn.messages} messages, then ${turn.messages}`,
	);
	report.proves("The agent starts there at once and continues the same conversation.");

	await report.step("SIGTERM: drain and exit", async () => {
		daemon.signal("SIGTERM");
		const exit = await daemon.exited;
		if (exit.code !== 0) throw new Error(`${textOf(exit)} instead of 0\n${daemon.tail}`);
		await allGone(10_000);
		const [drained] = daemon.events("drain.finished");
		const wasKilled = daemon.events("agent.killed").length > 0;
		return `exit status 0; ${seconds(Number(drained?.ms ?? 0))}${wasKilled ? ", the gateway took too long and was killed" : ""}`;
	});
	await lookAtLog(report, sidecar, disk, acknowledged);
	report.proves("After SIGTERM an exit status of 0 means: everything is durable.");
}

function turnDetail({ messages, rows }: Turn): string {
	return `the model was given ${messages} messages${rows === undefined ? "" : `; rows ${rows.first}-${rows.last}`}`;
}

function newConversation(before: Turn, after: Turn): readonly string[] {
	const problems: string[] = [];
	if (after.messages <= before.messages)
		problems.push(`${before.messages} messages before, ${after.messages} now: a new conversation`);
	if (before.rows?.last !== undefined && after.rows?.first !== before.rows.last + 1) {
		problems.push(`the last row was ${before.rows.last}, the next is ${after.rows?.first}`);
	}
	return problems;
}

/** No process of the agent runs before the restore is verified and the fence is won. */
async function gateOpened(daemon: Running): Promise<string> {
	await daemon.event("agent.started");
	const [restored] = daemon.events("restore.finished");
	const [fence] = daemon.events("fence.won");
	if (restored === undefined || fence === undefined)
		throw new Error("the agent was started before the restore or the fence");
	await daemon.event("watch.started");
	const seq = Number(fence.seq);
	return `${seq === 1 ? "the log is empty" : `restored commit ${seq - 1}`}, fence ${seq}, agent`;
}

const progressOf = ({ seq, commits, bytes: uploaded }: Durable) =>
	`commit ${seq}; ${many(commits, "commit")}, uploaded ${bytes(uploaded)}`;

async function lookAtLog(
	report: Report,
	sidecar: Sidecar,
	disk: string,
	acknowledged: Durable,
): Promise<void> {
	const listed = new Set((await sidecar.list()).map(({ path }) => path));
	const missing = [...scan(disk).keys()].filter((path) => !listed.has(path));
	report.check(
		"exit status 0 was correct: the log has the whole disk",
		missing.map((path) => `${path}: not in the log`),
	);

	const history = await sidecar.history();
	const problems: string[] = [];
	if (history[0]?.flags.closed !== true) problems.push("the newest commit is not marked as closed");
	if (!history.some(({ seq }) => seq === acknowledged.seq))
		problems.push(`commit ${acknowledged.seq} of the first machine is not in the log`);
	if (history.some(({ seq }, i) => seq !== history.length - i)) problems.push("the log has a gap");
	const writers = new Set(history.map(({ writer }) => writer)).size;
	if (writers !== 2) problems.push(`${writers} writers instead of 2`);
	report.check(
		"one log without a gap, two writers, cleanly closed",
		problems,
		`${many(history.length, "commit")}, the newest:`,
	);
	report.note(history.slice(0, 6).map(historyLine).join("\n"));
}

function historyLine({ seq, kind, flags, changed, removed, objectBytes }: HistoryEntry): string {
	const marks = Object.keys(flags).filter((name) => flags[name] === true);
	const changes = changed + removed === 0 ? [] : [`${changed} changed, ${removed} removed`];
	return `${String(seq).padStart(4)}  ${kind.padEnd(5)} ${bytes(objectBytes).padStart(7)}  ${[...marks, ...changes].join("; ")}`.trimEnd();
}
