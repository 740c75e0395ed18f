import { SidecarError, systemRefusal } from "../errors.ts";

/** Modes and times that a file system or the owner of a file may refuse without harm. */
const REFUSALS: ReadonlySet<string | undefined> = new Set([
	"EPERM",
	"EACCES",
	"EROFS",
	"ENOTSUP",
	"EOPNOTSUPP",
	"ENOSYS",
	"EINVAL",
	"EBUSY",
]);

/** @returns whether it was done */
export function tryTo(work: () => void): boolean {
	try {
		work();
		return true;
	} catch (error) {
		if (!REFUSALS.has((error as NodeJS.ErrnoException).code)) throw error;
		return false;
	}
}

/** Runs file system work and turns its errors into errors with a remedy. */
export function explain<Result>(path: string, work: () => Result): Result {
	try {
		return work();
	} catch (error) {
		throw failure(path, error);
	}
}

export function failure(path: string, error: unknown): SidecarError {
	if (error instanceof SidecarError) return error;
	const { code } = error as NodeJS.ErrnoException;
	const detail = { value: path, reason: code ?? String(error), cause: error };
	if (code === "ENOSPC" || code === "EDQUOT")
		return new SidecarError("WORKSPACE_DISK_FULL", detail);
	if (
		code === "EACCES" ||
		code === "EPERM" ||
		code === "EROFS" ||
		code === "EXDEV" ||
		code === "EBUSY" ||
		code === "ETXTBSY"
	)
		return new SidecarError("WORKSPACE_READ_ONLY", detail);
	if (code === "ENOTDIR" || code === "EEXIST")
		return new SidecarError("WORKSPACE_NOT_DIRECTORY", detail);
	return systemRefusal(error, path) ?? new SidecarError("INTERNAL", detail);
}
