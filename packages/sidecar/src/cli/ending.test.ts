/** Nothing ends with a status that no error explains, whatever the command. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { jsonLines, Place } from "../../../testkit/cli.ts";
import { ERRORS, type ErrorCode, SidecarError } from "../errors.ts";
import { errorOf, statusOf } from "./ending.ts";
import { COMMANDS, main as runMain } from "./program.ts";

/** Runs a command line in this process, which takes milliseconds. */
async function main(argv: readonly string[]) {
	const printed = { stdout: "", stderr: "" };
	const take =
		(name: keyof typeof printed) =>
		(chunk: unknown, ...rest: unknown[]) => {
			printed[name] += String(chunk);
			const done = rest.find((each) => typeof each === "function");
			(done as (() => void) | undefined)?.();
			return true;
		};
	const spies = (["stdout", "stderr"] as const).map((name) =>
		vi.spyOn(process[name], "write").mockImplementation(take(name)),
	);
	try {
		return { status: await runMain(argv, "0"), ...printed };
	} finally {
		for (const spy of spies) spy.mockRestore();
	}
}

const SECRET = ["AKIA", "IOSFODNN7EXAMPLA"].join("");

/** How to let a command end with another status, after it has printed its result or before. */
interface Failure {
	readonly args: readonly string[];
	readonly code: ErrorCode;
	readonly prepare?: (place: Place) => void | Promise<void>;
	/** The result is printed too. */
	readonly hasResult?: boolean;
}

const write = (place: Place, ...names: readonly string[]) =>
	writeFileSync(place.path("a", ...names), "x");
const flush = async (place: Place) => {
	write(place, "f");
	expect(await main([...place.args("a"), "flush"])).toMatchObject({ status: 0 });
};
const damageNewest = async (place: Place) => {
	await flush(place);
	const directory = join(place.store, "users/default/log");
	const file = join(directory, readdirSync(directory).sort()[0] as string);
	chmodSync(file, 0o600);
	writeFileSync(file, "garbage");
};

/** A name that no workspace may have, so that something stays on this disk only. */
const reserved = (place: Place) => write(place, ".recovered");

const RETURNED: Readonly<Record<string, Failure>> = {
	flush: { args: ["flush"], code: "NOT_DURABLE", prepare: reserved, hasResult: true },
	status: { args: ["status"], code: "NOT_DURABLE", prepare: reserved, hasResult: true },
	rollback: {
		args: ["rollback", "--to", "2", "--on-secret", "exclude"],
		code: "NOT_DURABLE",
		prepare: async (place) => {
			writeFileSync(place.path("a", "f"), SECRET);
			await main([...place.args("a"), "flush"]);
			write(place, "f");
			await main([...place.args("a"), "flush"]);
		},
		hasResult: true,
	},
	export: {
		args: ["export", "OUT"],
		code: "TARGET_NOT_EMPTY",
		prepare: async (place) => {
			await flush(place);
			mkdirSync(place.path("out", "not-empty"), { recursive: true });
		},
	},
	verify: { args: ["verify"], code: "OBJECT_CORRUPT", prepare: damageNewest, hasResult: true },
	gc: { args: ["gc"], code: "OBJECT_CORRUPT", prepare: damageNewest, hasResult: true },
	repair: {
		args: ["repair", "--after", "1"],
		code: "OBJECT_CORRUPT",
		prepare: damageNewest,
		hasResult: true,
	},
	doctor: {
		args: ["doctor"],
		code: "WORKSPACE_NOT_DIRECTORY",
		prepare: (place) => writeFileSync(place.path("a"), "a file"),
		hasResult: true,
	},
};

/** Every other command, one that is added later too, at least refuses a setting. */
const failureOf = (name: string): Failure =>
	RETURNED[name] ?? { args: [name, "--namespace", "a/b"], code: "NAMESPACE_INVALID" };

const EXPLAINED = (code: string) =>
	new RegExp(`(^|\\n)error \\[${code}\\] .+\\nwhat to do: .+\\n$`);

describe.each(COMMANDS.map(({ name }) => name))("%s", (name) => {
	const { args, code, prepare, hasResult = false } = failureOf(name);
	const needed = COMMANDS.find((command) => command.name === name)?.args?.startsWith("<") === true;
	const argv = (place: Place) => [
		...place.args("a"),
		...args.map((arg) => (arg === "OUT" ? place.path("out") : arg)),
		...(needed && RETURNED[name] === undefined ? ["x"] : []),
	];
	const exitStatus = ERRORS[code].exitStatus;

	test(`ends with ${code}, a remedy and status ${exitStatus}, in words and as fields`, async () => {
		using place = new Place();
		await prepare?.(place);
		const inWords = await main(argv(place));
		expect({ status: inWords.status, stderr: inWords.stderr }).toEqual({
			status: exitStatus,
			stderr: expect.stringMatching(EXPLAINED(code)),
		});

		using another = new Place();
		await prepare?.(another);
		const { status, stdout } = await main(["--json", ...argv(another)]);
		const objects = jsonLines(stdout);
		expect({ status, last: objects.at(-1) }).toEqual({
			status: exitStatus,
			last: expect.objectContaining({
				error: {
					code,
					message: expect.stringContaining(ERRORS[code].meaning),
					value: expect.toSatisfy((value) => value === null || typeof value === "string"),
					remedy: expect.stringMatching(/./),
					exitStatus,
				},
			}),
		});
		// A result and its error are one object.
		expect(objects).toHaveLength(1);
		expect(Object.keys(objects[0] ?? {}).length > 1).toBe(hasResult);
	});
});

describe("an ending", () => {
	const statuses = [...new Set(Object.values(ERRORS).map(({ exitStatus }) => exitStatus))];

	test.each(statuses)("that is only the status %i gets an error with that status", (status) => {
		const error = errorOf(status);
		expect(error).toBeInstanceOf(SidecarError);
		expect(error?.exitStatus).toBe(status);
		expect(statusOf(status)).toBe(status);
	});

	test("that is 0, or the agent's own status, has no error", () => {
		expect(errorOf(0)).toBeUndefined();
		expect(errorOf({ agentStatus: 3 })).toBeUndefined();
		expect(statusOf({ agentStatus: 3 })).toBe(3);
	});
});

test("the agent's own status is passed on without an error of the sidecar's", async () => {
	using place = new Place();
	mkdirSync(place.path("a"), { recursive: true });
	const { status, stderr } = await place.cli("a", ["run", "--", "sh", "-c", "exit 3"]);
	expect(status).toBe(3);
	expect(stderr).toContain("the agent ended with status 3\n");
	expect(stderr).not.toContain("error [");
});

test("a one-shot command without a terminal prints its result and nothing else, and log lines on request", async () => {
	using place = new Place();
	write(place, "f");
	const quiet = await place.cli("a", ["flush"]);
	expect(quiet).toMatchObject({ status: 0, stderr: "" });
	expect(quiet.stdout).toMatch(/^committed 2: /);
	write(place, "g");
	const { events } = await place.cli("a", ["--log-level", "info", "flush"]);
	expect(events.map(({ event }) => event)).toContain("restore.finished");
	expect(readFileSync(place.path("a", "g"), "utf8")).toBe("x");
});
