/**
 * Runs in the image in the agent's place and tries what an agent must not be able to do. Writes
 * each result, or the error code, to the file given as its argument.
 */
import {
	accessSync,
	closeSync,
	constants,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	readSync,
	renameSync,
	writeFileSync,
} from "node:fs";
import { connect } from "node:net";

export interface Probed {
	readonly attempts: Readonly<Record<string, string>>;
	readonly environment: readonly string[];
	readonly status: Readonly<Record<string, string>>;
	/** The topmost directories and files that it could write. */
	readonly writable: readonly string[];
}

const [, , out = ""] = process.argv;
const WORKSPACE = "/home/openclaw/.openclaw";

/** Owned by the kernel or set up by the runtime; `/proc/self` belongs to every process. */
const NOT_OF_THE_IMAGE = new Set(["/proc", "/sys", "/dev", "/probe.ts", "/out"]);

const attempts = {
	"the daemon's environment": () => readFileSync("/proc/1/environ", "latin1"),
	"the daemon's memory": () => {
		const [start = "0"] = readFileSync("/proc/1/maps", "latin1").split("-");
		const fd = openSync("/proc/1/mem", "r");
		readSync(fd, Buffer.alloc(4), 0, 4, Number.parseInt(start, 16));
		closeSync(fd);
	},
	"opening the daemon's memory": () => closeSync(openSync("/proc/1/mem", "r")),
	"the daemon's descriptors": () => readdirSync("/proc/1/fd"),
	"the daemon's directory": () => readlinkSync("/proc/1/cwd"),
	"the sidecar's state": () => readdirSync("/var/lib/openclaw-sidecar"),
	"root's home": () => readdirSync("/root"),
	"the store": () => readdirSync("/store/users"),
	// A signal that the sidecar ignores. Any process may send SIGCONT within a session.
	"a signal to the daemon": () => process.kill(1, "SIGWINCH"),
	"being root": () => process.setuid?.(0),
	"the sidecar's program": () =>
		accessSync("/opt/openclaw-sidecar/openclaw-sidecar.mjs", constants.W_OK),
	"the sidecar's compile cache": () =>
		accessSync("/opt/openclaw-sidecar/compile-cache", constants.W_OK),
	"its own compile cache": () => accessSync("/opt/openclaw/compile-cache", constants.W_OK),
	"another directory in place of the workspace": () => {
		renameSync(WORKSPACE, `${WORKSPACE}-moved`);
		renameSync(`${WORKSPACE}-moved`, WORKSPACE);
	},
	"its own program": () => accessSync("/opt/openclaw/node_modules", constants.W_OK),
};

const results: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
	try {
		attempt();
		results[name] = "succeeded";
	} catch (error) {
		results[name] = (error as NodeJS.ErrnoException).code ?? String(error);
	}
}
results["the control socket"] = await new Promise((resolve) => {
	const socket = connect("/var/lib/openclaw-sidecar/control.sock");
	socket.once("connect", () => resolve("succeeded"));
	socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
});

const status = readFileSync("/proc/self/status", "utf8")
	.split("\n")
	.map((line) => line.split(/:\s*/, 2))
	.filter(([name = ""]) => /^(Uid|Gid|Groups|NoNewPrivs|Cap\w+)$/.test(name));
const probed: Probed = {
	attempts: results,
	environment: Object.keys(process.env).sort(),
	status: Object.fromEntries(status),
	writable: writableBelow("/"),
};
writeFileSync(out, JSON.stringify(probed));

/** Does not descend into a writable directory. */
function writableBelow(directory: string): string[] {
	const found: string[] = [];
	for (const entry of namesIn(directory)) {
		const path = `${directory === "/" ? "" : directory}/${entry.name}`;
		if (NOT_OF_THE_IMAGE.has(path) || entry.isSymbolicLink()) continue;
		if (isWritable(path)) found.push(path);
		else if (entry.isDirectory()) found.push(...writableBelow(path));
	}
	return found;
}

function namesIn(directory: string) {
	try {
		return readdirSync(directory, { withFileTypes: true });
	} catch {
		return [];
	}
}

function isWritable(path: string): boolean {
	try {
		accessSync(path, constants.W_OK);
		return true;
	} catch {
		return false;
	}
}
