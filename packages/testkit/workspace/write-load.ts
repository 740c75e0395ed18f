/**
 * A scripted load with known states. Each step is one system call, so the disk passes through
 * exactly the states that `statesOf` lists. As a program (`node write-load.ts DIR SEED STEPS
 * PAUSE_MS`), it runs the script at its own pace, and prints a line for each step.
 */
import { createHash } from "node:crypto";
import {
	appendFileSync,
	mkdirSync,
	renameSync,
	rmdirSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

type Step =
	/**
	 * Content prepared outside the workspace and renamed into it, so that it is never visible
	 * half-written.
	 */
	| { readonly kind: "put"; readonly path: string; readonly text: string }
	| { readonly kind: "append"; readonly path: string; readonly text: string }
	| { readonly kind: "remove"; readonly path: string }
	| { readonly kind: "rename"; readonly path: string; readonly to: string }
	| { readonly kind: "link"; readonly path: string; readonly target: string }
	| { readonly kind: "mkdir"; readonly path: string }
	| { readonly kind: "rmdir"; readonly path: string };

/** Path -> what a comparison sees: `dir`, `link:target` or the text. */
export type State = ReadonlyMap<string, string>;

function random(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
		return ((state ^ (state >>> 12)) >>> 0) / 2 ** 32;
	};
}

function scriptOf(seed: number, steps: number): Step[] {
	const next = random(seed);
	const script: Step[] = [];
	const state = new Map<string, string>();
	while (script.length < steps) {
		const step = pick(next, state, script.length);
		if (!apply(state, step)) continue;
		script.push(step);
	}
	return script;
}

export function statesOf(seed: number, steps: number): State[] {
	const states: State[] = [new Map()];
	const state = new Map<string, string>();
	for (const step of scriptOf(seed, steps)) {
		apply(state, step);
		states.push(new Map(state));
	}
	return states;
}

export function digestOf(state: State): string {
	return createHash("sha256")
		.update(JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1))))
		.digest("hex");
}

function pick(next: () => number, state: State, count: number): Step {
	const path = `${["", "notes/", "notes/deep/", "new/"][Math.floor(next() * 4)]}${"abcdefgh"[Math.floor(next() * 8)]}`;
	const known = [...state.keys()][Math.floor(next() * state.size)] ?? path;
	const text = `${count} ${"x".repeat(Math.floor(next() ** 4 * 20_000))}\n`;
	const choice = next();
	if (choice < 0.35) return { kind: "put", path, text };
	if (choice < 0.6) return { kind: "append", path: known, text };
	if (choice < 0.7) return { kind: "remove", path: known };
	if (choice < 0.8) return { kind: "rename", path: known, to: path };
	if (choice < 0.87) return { kind: "link", path, target: `../missing-${count}` };
	if (choice < 0.97)
		return {
			kind: "mkdir",
			path: ["notes", "notes/deep", "new"][Math.floor(next() * 3)] as string,
		};
	return { kind: "rmdir", path: known };
}

/** Applies the step to a state; false if the system would refuse it. */
function apply(state: Map<string, string>, step: Step): boolean {
	const parent = step.path.includes("/")
		? step.path.slice(0, step.path.lastIndexOf("/"))
		: undefined;
	const isDir = (path: string) => state.get(path) === "dir";
	const isFile = (path: string) =>
		state.has(path) && !isDir(path) && !state.get(path)?.startsWith("link:");
	const hasParent = parent === undefined || isDir(parent);
	switch (step.kind) {
		case "put":
			if (!hasParent || isDir(step.path)) return false;
			state.set(step.path, step.text);
			return true;
		case "append":
			if (!isFile(step.path)) return false;
			state.set(step.path, `${state.get(step.path)}${step.text}`);
			return true;
		case "remove":
			return !isDir(step.path) && state.delete(step.path);
		case "rename": {
			const toParent = step.to.includes("/")
				? step.to.slice(0, step.to.lastIndexOf("/"))
				: undefined;
			if (
				!isFile(step.path) ||
				(toParent !== undefined && !isDir(toParent)) ||
				isDir(step.to) ||
				step.to === step.path
			)
				return false;
			state.set(step.to, state.get(step.path) as string);
			return state.delete(step.path);
		}
		case "link":
			if (!hasParent || state.has(step.path)) return false;
			state.set(step.path, `link:${step.target}`);
			return true;
		case "mkdir":
			if (!hasParent || state.has(step.path)) return false;
			state.set(step.path, "dir");
			return true;
		case "rmdir":
			if (!isDir(step.path) || [...state.keys()].some((path) => path.startsWith(`${step.path}/`)))
				return false;
			return state.delete(step.path);
		default:
			return false;
	}
}

async function play(dir: string, seed: number, steps: number, pauseMs: number): Promise<void> {
	const outside = `${dir}.outside`;
	mkdirSync(outside, { recursive: true });
	for (const [count, step] of scriptOf(seed, steps).entries()) {
		const place = join(dir, step.path);
		if (step.kind === "put") {
			const prepared = join(outside, String(count));
			writeFileSync(prepared, step.text);
			renameSync(prepared, place);
		} else if (step.kind === "append") appendFileSync(place, step.text);
		else if (step.kind === "remove") unlinkSync(place);
		else if (step.kind === "rename") renameSync(place, join(dir, step.to));
		else if (step.kind === "link") symlinkSync(step.target, place);
		else if (step.kind === "mkdir") mkdirSync(place);
		else rmdirSync(place);
		process.stdout.write(`${step.kind}\n`);
		if (pauseMs > 0) await delay(pauseMs * (0.3 + (count % 7) / 5));
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const [dir, seed, steps, pauseMs] = process.argv.slice(2);
	await play(dir as string, Number(seed), Number(steps), Number(pauseMs));
}
