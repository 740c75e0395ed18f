// Loaded before a command by `footprint.ts`. Counts the files that it opens, one byte each, which
// also holds for threads that are ended, and tells at its end what the kernel counted.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { isMainThread } from "node:worker_threads";

const report = process.env.FOOTPRINT_REPORT;
const opens = fs.openSync(`${report}.opens`, "a");
const ONE = Buffer.from(".");

for (const owner of [fs, fs.promises]) {
	for (const name of ["open", "openSync"]) {
		const real = owner[name];
		if (real === undefined) continue;
		owner[name] = (...args) => {
			fs.writeSync(opens, ONE);
			return real.apply(owner, args);
		};
	}
}
syncBuiltinESMExports();

if (isMainThread)
	process.on("exit", () => {
		const read = (name) => fs.readFileSync(`/proc/self/${name}`, "latin1");
		fs.writeFileSync(report, `${read("io")}${read("status")}`);
	});
