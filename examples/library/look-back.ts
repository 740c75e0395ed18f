/**
 * Who changed a file and when, and its text before the last change. In a project that has the
 * package (docs/install.md):
 *
 *     node look-back.ts file:///var/backups/openclaw workspace/MEMORY.md
 */
import { cat, pathHistory, SidecarError } from "openclaw-sidecar";

const [store = "", path = "MEMORY.md"] = process.argv.slice(2);

try {
	let before: { readonly at: number; readonly path: string } | undefined;
	for await (const change of pathHistory({ store, paths: [path] })) {
		if (change.type === "missing") continue;
		const { seq, timeMs, kind, host, writer, from, previousSeq } = change;
		console.log(`commit ${seq}, ${new Date(timeMs).toISOString()}: ${kind} by ${host ?? writer}`);
		if (previousSeq !== undefined && change.before?.type === "file")
			before ??= { at: previousSeq, path: from ?? change.path };
	}
	if (before !== undefined) {
		console.log(`in commit ${before.at}:`);
		await cat({ store, ...before, to: process.stdout });
	}
} catch (error) {
	if (!(error instanceof SidecarError)) throw error;
	// Stable codes: PATH_NOT_FOUND, STORE_UNREACHABLE, ...
	console.error(`${error.code}: ${error.message}\n${error.remedy}`);
	process.exitCode = error.exitStatus;
}
