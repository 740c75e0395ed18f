/**
 * Calls the C library of this machine through koffi, an optional dependency, for functions that
 * Node lacks.
 */

export type Koffi = typeof import("koffi");
export type CLibrary = ReturnType<Koffi["load"]>;

/** glibc first; Alpine's musl is named by architecture. */
const NAMES: Readonly<Partial<Record<NodeJS.Architecture, readonly string[]>>> = {
	x64: ["libc.so.6", "libc.musl-x86_64.so.1"],
	arm64: ["libc.so.6", "libc.musl-aarch64.so.1"],
};

/**
 * 11 ms the first time.
 * @param importKoffi stays outside the bundle: it loads a native library from its own package
 * @throws if koffi or a suitable C library is missing, or if this is not a 64-bit Linux
 */
export async function loadCLibrary(
	importKoffi = () => import("koffi"),
): Promise<{ readonly koffi: Koffi; readonly library: CLibrary }> {
	const names = process.platform === "linux" ? NAMES[process.arch] : undefined;
	if (names === undefined)
		throw new Error(`no C library known for ${process.platform}-${process.arch}`);
	const koffi = await importKoffi();
	return { koffi, library: loadFirst(koffi, names) };
}

function loadFirst(koffi: Koffi, names: readonly string[]): CLibrary {
	const failures: unknown[] = [];
	for (const name of names) {
		try {
			return koffi.load(name);
		} catch (error) {
			failures.push(error);
		}
	}
	throw new AggregateError(failures, "no C library could be loaded");
}
