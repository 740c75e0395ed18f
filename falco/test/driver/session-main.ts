/**
 * `falco/test/silent-session`: the normal session alone, to run beside a Falco of one's own. Exit
 * status 0: it went as it should.
 */
import { runSilentSession } from "./silent.ts";

if (process.getuid?.() !== 0) {
	console.error(
		"falco/test/silent-session needs root: it starts an agent as another user, in a mount namespace of its own",
	);
	process.exit(2);
}
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
const { title, problems } = await runSilentSession(stopping.signal, (line) => console.log(line));
console.log(problems.length === 0 ? `ok: ${title}` : `FAILED: ${title}\n${problems.join("\n")}`);
process.exitCode = problems.length === 0 ? 0 : 1;
