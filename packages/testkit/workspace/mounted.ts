/**
 * Real mounts for tests, if the system allows them; otherwise the test is skipped with a reason.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import type { TestContext } from "vitest";

export interface Mounted extends Disposable {
	/** Mounts a directory or a file on an existing one. */
	bind(from: string, to: string, options?: "rw" | "ro"): void;
	/** A separate file system, on a directory that is created. */
	tmpfs(path: string, options?: string): void;
	/** An overlay like a container's root: changes to `lower` go to `upper`. */
	overlay(
		layers: { readonly lower: string; readonly upper: string; readonly work: string },
		to: string,
	): void;
	chattr(attribute: "i" | "a", path: string): void;
}

/** Everything that it makes is undone at the end of its scope. With CI=true it must work. */
export function mounted(context: TestContext): Mounted {
	const undo: (readonly string[])[] = [];
	const run = (command: readonly string[], back?: readonly string[]) => {
		const [program = "", ...args] = command;
		try {
			execFileSync(program, args, { stdio: "pipe" });
		} catch (error) {
			if (process.env.CI === "true") throw error;
			console.warn(
				`skipped: ${command.join(" ")}: ${(error as Error).message.split("\n")[1] ?? ""}`,
			);
			context.skip(`needs the right to run ${program}`);
		}
		if (back !== undefined) undo.push(back);
	};
	return {
		bind(from, to, options = "rw") {
			run(["mount", "--bind", from, to], ["umount", to]);
			if (options === "ro") run(["mount", "-o", "remount,bind,ro", to]);
		},
		tmpfs(path, options = "size=16m") {
			mkdirSync(path, { recursive: true });
			run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], ["umount", path]);
		},
		overlay({ lower, upper, work }, to) {
			run(
				[
					"mount",
					"-t",
					"overlay",
					"-o",
					`lowerdir=${lower},upperdir=${upper},workdir=${work}`,
					"overlay",
					to,
				],
				["umount", to],
			);
		},
		chattr: (attribute, path) =>
			run(["chattr", `+${attribute}`, path], ["chattr", `-${attribute}`, path]),
		[Symbol.dispose]() {
			for (const [program = "", ...args] of undo.reverse())
				execFileSync(program, args, { stdio: "pipe" });
		},
	};
}
