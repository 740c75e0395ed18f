/**
 * `falco/test/silent-session` runs only the normal session, next to your own Falco. Exit status 0
 * if it went as expected.
 */
import { runSilentSession } from "./silent.ts";

if (process.getuid?.() !== 0) {
	console.error(
		"falco/test/silent-session needs root: it starts an agent as another user, in a private mount namespace",
	);
	process.exit(2);
}
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
const { title, problems } = await runSilentSession(stopping.signal, (line) => console.log(line));
console.log(problems.length === 0 ? `ok: ${title}` : `FAILED: ${title}\n${problems.join("\n")}`);
process.exitCode = problems.length === 0 ? 0 : 1;
