import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { SidecarError } from "../errors.ts";
import {
	createLogger,
	kindOf,
	LOG_LEVELS,
	type LogLevel,
	recordingLogger,
	serializeError,
	silentLogger,
} from "./logger.ts";

function logging(level: LogLevel) {
	const raw: string[] = [];
	const logger = createLogger(level, { write: (line) => void raw.push(line) });
	return {
		logger,
		raw,
		lines: () => raw.map((line) => JSON.parse(line) as Record<string, unknown>),
	};
}

describe("createLogger", () => {
	test("writes one JSON object per event, without pid, host name or message", () => {
		const { logger, raw, lines } = logging("info");
		logger.info("restore.finished", { files: 3, mtimeNs: 2n ** 60n });
		expect(raw[0]?.endsWith("}\n")).toBe(true);
		expect(Object.keys(lines()[0] ?? {})).toEqual([
			"level",
			"time",
			"event",
			"kind",
			"files",
			"mtimeNs",
		]);
		expect(lines()[0]).toMatchObject({
			level: "info",
			event: "restore.finished",
			kind: "sync",
			files: 3,
		});
		expect(lines()[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
	});

	test.each(LOG_LEVELS)("level %s passes lines of at least that severity", (level) => {
		const { logger, lines } = logging(level);
		for (const at of ["debug", "info", "warn", "error"] as const) logger[at]("a.b");
		const order: readonly string[] = LOG_LEVELS;
		expect(lines().map((line) => line.level)).toEqual(
			["debug", "info", "warn", "error"].filter((at) => order.indexOf(at) >= order.indexOf(level)),
		);
	});

	test("a child's fields are on every line, and a line's own field wins without a duplicate key", () => {
		const { logger, raw, lines } = logging("info");
		const child = logger.child({ namespace: "anna", seq: 1 }).child({ writer: "w" });
		child.warn("flush.retried", { seq: 2 });
		expect(lines()[0]).toMatchObject({ namespace: "anna", writer: "w", seq: 2 });
		expect(raw[0]?.match(/"seq"/g)).toHaveLength(1);
	});

	test("derives the kind from the area unless it is given", () => {
		const { logger, raw, lines } = logging("info");
		logger.info("daemon.started");
		logger.info("security.refused");
		logger.warn("restore.path-rejected", { kind: "security" });
		expect(lines().map((line) => line.kind)).toEqual(["lifecycle", "security", "security"]);
		expect(raw[2]?.match(/"kind"/g)).toHaveLength(1);
	});

	test("redacts secrets by key, down to three levels", () => {
		const { logger, raw } = logging("info");
		const secrets = {
			authorization: "S3CRET",
			token: "S3CRET",
			secretAccessKey: "S3CRET",
			sessionToken: "S3CRET",
			password: "S3CRET",
		};
		logger.info("a.b", {
			...secrets,
			headers: { Authorization: "S3CRET", "x-amz-security-token": "S3CRET" },
			request: { credentials: secrets },
		});
		logger.child({ env: { AWS_SECRET_ACCESS_KEY: "S3CRET" } }).info("a.b");
		expect(raw.join("")).not.toContain("S3CRET");
		expect(raw.join("")).toContain("[redacted]");
	});

	test("does not redact the caller's object", () => {
		const fields = { request: { token: "S3CRET" } };
		logging("info").logger.info("a.b", fields);
		expect(fields.request.token).toBe("S3CRET");
	});

	test("reduces an error to its useful parts; its stack only at debug", () => {
		const error = new SidecarError("NAMESPACE_INVALID", {
			value: "../x",
			cause: new Error("inner"),
		});
		const atInfo = logging("info");
		atInfo.logger.error("cli.failed", { error });
		expect(atInfo.lines()[0]?.error).toEqual({
			code: "NAMESPACE_INVALID",
			message: error.message,
			value: "../x",
			remedy: error.remedy,
			cause: { name: "Error", message: "inner" },
		});
		const atDebug = logging("debug");
		atDebug.logger.error("cli.failed", { error });
		expect(atDebug.lines()[0]?.error).toMatchObject({
			stack: error.stack,
			cause: { stack: expect.any(String) },
		});
	});

	test("writes to stderr at once by default, even if the process ends right after", () => {
		const script = `
			import { createLogger } from ${JSON.stringify(new URL("./logger.ts", import.meta.url).href)};
			createLogger("info").info("daemon.gone");
			process.kill(process.pid, "SIGKILL");`;
		const args = ["--input-type=module", "--eval", script];
		const { stdout, stderr, signal } = spawnSync(process.execPath, args, { encoding: "utf8" });
		expect({ stdout, signal }).toEqual({ stdout: "", signal: "SIGKILL" });
		expect(JSON.parse(stderr)).toMatchObject({
			level: "info",
			event: "daemon.gone",
			kind: "lifecycle",
		});
	});
});

describe("serializeError", () => {
	test("keeps the stack of a bug and of its cause, for diagnosis", () => {
		const cause = new TypeError("x is not a function");
		const shown = serializeError(new SidecarError("INTERNAL", { cause }));
		expect(shown.stack).toEqual(expect.any(String));
		expect(shown.cause).toMatchObject({ name: "TypeError", stack: cause.stack });
	});

	test("keeps only name, code and message of a foreign error, and none of its other properties", () => {
		const error = Object.assign(new Error("boom"), {
			code: "ECONNRESET",
			$response: { headers: { authorization: "S3CRET" } },
		});
		expect(serializeError(error)).toEqual({ name: "Error", code: "ECONNRESET", message: "boom" });
	});

	test("accepts thrown values that are not errors", () => {
		expect(serializeError("gone")).toEqual({ message: "gone" });
		expect(serializeError(undefined)).toEqual({ message: "undefined" });
	});
});

test.each([
	["restore.started", "sync"],
	["flush.finished", "sync"],
	["repack.committed", "sync"],
	["daemon.draining", "lifecycle"],
	["agent.exited", "lifecycle"],
	["security.superseded", "security"],
] as const)("kindOf(%s) is %s", (event, kind) => expect(kindOf(event)).toBe(kind));

test("recordingLogger keeps events unchanged, children's included", () => {
	const logger = recordingLogger();
	const error = new Error("x");
	logger.child({ a: 1 }).error("flush.failed", { error });
	logger.debug("daemon.idle");
	expect(logger.events).toEqual([
		{ level: "error", event: "flush.failed", kind: "sync", fields: { a: 1, error } },
		{ level: "debug", event: "daemon.idle", kind: "lifecycle", fields: {} },
	]);
});

test("silentLogger accepts everything", () => {
	expect(silentLogger.child({ a: 1 }).info("a.b")).toBeUndefined();
});
