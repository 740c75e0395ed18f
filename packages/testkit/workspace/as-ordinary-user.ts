/** Runs as a user to whom file modes apply: root ignores them. */
export async function asOrdinaryUser<T>(run: () => Promise<T>): Promise<T> {
	if (process.geteuid?.() !== 0) return await run();
	process.seteuid?.(65_534);
	try {
		return await run();
	} finally {
		process.seteuid?.(0);
	}
}
