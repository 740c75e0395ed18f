import { readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SidecarError } from "../../errors.ts";
import { makeDirectories } from "../../workspace/make-directories.ts";

/** Undefined if there is no such file. @throws SidecarError SYSTEM_REFUSED */
export function readText(path: string): string | undefined {
	return system(path, () => unlessMissing(() => readFileSync(path, "utf8")));
}

/**
 * Replaces a file as a whole, and creates its directory. A link to it stays a link.
 * @param mode of the file; by default an existing file keeps its own
 * @throws SidecarError SYSTEM_REFUSED
 */
export function replaceText(path: string, text: string, mode?: number): void {
	system(path, () => {
		const place = unlessMissing(() => realpathSync(path)) ?? path;
		makeDirectories(dirname(place));
		const kept = mode ?? unlessMissing(() => statSync(place).mode & 0o777) ?? 0o644;
		const next = `${place}.${process.pid}.tmp`;
		try {
			writeFileSync(next, text, { mode: kept, flag: "wx" });
			renameSync(next, place);
		} finally {
			rmSync(next, { force: true });
		}
	});
}

/** For its owner alone, with its missing parents. @throws SidecarError SYSTEM_REFUSED */
export function makePrivateDirectory(path: string): void {
	system(path, () => makeDirectories(path));
}

export function unlessMissing<T>(look: () => T): T | undefined {
	try {
		return look();
	} catch (error) {
		if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? ""))
			return undefined;
		throw error;
	}
}

function system<T>(path: string, call: () => T): T {
	try {
		return call();
	} catch (cause) {
		throw new SidecarError("SYSTEM_REFUSED", {
			value: path,
			reason: (cause as Error).message,
			cause,
		});
	}
}
