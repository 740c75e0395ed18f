/** Real mounts for tests, where we may make them; elsewhere the test says why it did not run. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import type { TestContext } from "vitest";

export interface Mounted extends Disposable {
	/** Mounts a directory or a file on another that is there. */
	bind(from: string, to: string, options?: "rw" | "ro"): void;
	/** A file system of its own, on a directory that is made. */
	tmpfs(path: string, options?: string): void;
	/** As a container's root: changes to what is in `lower` go to `upper`. */
	overlay(
		layers: { readonly lower: string; readonly upper: string; readonly work: string },
		to: string,
	): void;
	chattr(attribute: "i" | "a", path: string): void;
}

/** What is made is undone at the end of its scope. With CI=true it must work. */
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
