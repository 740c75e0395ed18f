/** Kernel statistics of processes and of the machine. */
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

/** The load of other processes on this machine meanwhile. */
export interface Quietness {
	/** One minute's load average at the start. */
	readonly load: number;
	/** The number of cores used by other processes. */
	readonly others: number;
}

/** USER_HZ, which Linux fixes at 100 for all values in ticks. */
const MS_PER_TICK = 10;

/** CPU time in ms of one process and of those children that it waited for. */
export function cpuMs(pid: number | "self"): { readonly own: number; readonly children: number } {
	const text = readFileSync(`/proc/${pid}/stat`, "latin1");
	const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
	const ticks = (index: number) => Number(fields[index - 3]);
	return {
		own: (ticks(14) + ticks(15)) * MS_PER_TICK,
		children: (ticks(16) + ticks(17)) * MS_PER_TICK,
	};
}

/**
 * CPU time of a process in ms, with a resolution of a nanosecond, for processes that do almost
 * nothing.
 */
export function exactCpuMs(pid: number): number {
	let total = 0;
	for (const task of readdirSync(`/proc/${pid}/task`)) {
		total +=
			Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ", 1)[0]) / 1e6;
	}
	return total;
}

/** CPU time so far of a process, and of it with all descendants, those that have ended included. */
export function treeCpuMs(root: number): { readonly own: number; readonly all: number } {
	const childrenOf = new Map<number, number[]>();
	for (const name of readdirSync("/proc")) {
		if (!/^\d+$/.test(name)) continue;
		const parent = parentOf(Number(name));
		childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
	}
	const sum = (pid: number): number => {
		const { own, children } = cpuMs(pid);
		return own + children + (childrenOf.get(pid) ?? []).reduce((all, child) => all + sum(child), 0);
	};
	return { own: cpuMs(root).own, all: sum(root) };
}

/** NaN if it has ended. */
function parentOf(pid: number): number {
	try {
		return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1]);
	} catch {
		return Number.NaN;
	}
}

export interface Memory {
	readonly rssBytes: number;
	/** The peak value. */
	readonly peakBytes: number;
}

/** Undefined if the process has ended. */
export function memory(pid: number): Memory | undefined {
	try {
		const status = readFileSync(`/proc/${pid}/status`, "latin1");
		const bytes = (name: string) =>
			Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) * 1024;
		const found = { rssBytes: bytes("VmRSS"), peakBytes: bytes("VmHWM") };
		return Number.isNaN(found.rssBytes) ? undefined : found;
	} catch {
		return undefined;
	}
}

/** The resident memory of a process and all of its descendants, in bytes. */
export function treeBytes(pid: number): number {
	const own = memory(pid)?.rssBytes ?? 0;
	return childrenOf(pid).reduce((sum, child) => sum + treeBytes(child), own);
}

/** Empty if the kernel does not tell (CONFIG_PROC_CHILDREN). */
function childrenOf(pid: number): number[] {
	try {
		const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
		return text.split(" ").filter(Boolean).map(Number);
	} catch {
		return [];
	}
}

/**
 * CPU time of the whole machine so far, in ms. It includes stolen time, because that was wanted
 * here.
 */
export function machineBusyMs(): number {
	const fields = (readFileSync("/proc/stat", "latin1").split("\n", 1)[0] as string)
		.split(/\s+/)
		.slice(1)
		.map(Number);
	const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
	return (user + nice + system + irq + softirq + steal) * MS_PER_TICK;
}

export function load(): number {
	return loadavg()[0] ?? 0;
}

export const CORES = cpus().length;
