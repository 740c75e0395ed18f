import { type DestinationStream, destination as fdDestination, pino, stdTimeFunctions } from "pino";
import { SidecarError } from "../errors.ts";
import type { EventKind, EventName, LogFields, Logger } from "./types.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
type LineLevel = "debug" | "info" | "warn" | "error";

const STDERR = 2;

/** Keys whose value is never written, at any of the three depths that lines have in practice. */
const SECRET_KEYS = [
	"authorization",
	"Authorization",
	"token",
	"secretAccessKey",
	"sessionToken",
	"password",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"x-amz-security-token",
];
const SECRET_PATHS = SECRET_KEYS.flatMap((key) => [`["${key}"]`, `*["${key}"]`, `*.*["${key}"]`]);

/**
 * Areas whose events concern the data. `security.*` is its own kind; all other events concern the
 * process.
 */
const SYNC_AREAS = new Set(
	"restore capture flush fence drain deletion commit scan watch reconcile repack retain verify import export store workspace".split(
		" ",
	),
);

/** The kind of an event without an explicit one, by its area: the part before the first dot. */
export function kindOf(event: EventName): EventKind {
	const area = event.slice(0, event.indexOf("."));
	if (area === "security") return "security";
	return SYNC_AREAS.has(area) ? "sync" : "lifecycle";
}

/**
 * JSON lines, one object per event:
 * `{"level":"info","time":"…Z","event":"restore.finished","kind":"sync",…}`.
 * Written synchronously, so that the last line before an exit is not lost.
 *
 * @param destination where lines go; default: stderr, because stdout belongs to the command's
 * result.
 */
export function createLogger(
	level: LogLevel,
	destination: DestinationStream = fdDestination({ fd: STDERR, sync: true }),
): Logger {
	const verbose = level === "debug";
	const sink = pino(
		{
			level,
			base: null,
			timestamp: stdTimeFunctions.isoTime,
			formatters: { level: (label) => ({ level: label }) },
			serializers: { error: (error: unknown) => serializeError(error, verbose) },
			redact: { paths: SECRET_PATHS, censor: "[redacted]" },
		},
		destination,
	);
	return logTo((lineLevel, event, fields) =>
		sink[lineLevel]({ event, kind: kindOf(event), ...fields }),
	);
}

/**
 * The fields of an error in a log line. A stack only on request or for a bug. Never an SDK error's
 * whole response.
 */
export function serializeError(error: unknown, withStack = false): Record<string, unknown> {
	if (!(error instanceof Error)) return { message: String(error) };
	const { name, message, cause } = error;
	const stack =
		withStack || (error instanceof SidecarError && error.code === "INTERNAL")
			? { stack: error.stack }
			: {};
	const inner = cause === undefined ? {} : { cause: serializeError(cause, "stack" in stack) };
	if (error instanceof SidecarError) {
		const { code, value, remedy } = error;
		return { code, message, ...(value === undefined ? {} : { value }), remedy, ...inner, ...stack };
	}
	const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
	return { name, ...code, message, ...inner, ...stack };
}

/** Drops every event: the default of the library's verbs. */
export const silentLogger: Logger = logTo(() => {});

export interface RecordedEvent {
	readonly level: LineLevel;
	readonly event: EventName;
	readonly kind: EventKind;
	readonly fields: LogFields;
}

/** Keeps events in memory unchanged, for tests. */
export function recordingLogger(): Logger & { readonly events: readonly RecordedEvent[] } {
	const events: RecordedEvent[] = [];
	const logger = logTo((level, event, { kind = kindOf(event), ...fields }) =>
		events.push({ level, event, kind, fields }),
	);
	return { ...logger, events };
}

type Write = (level: LineLevel, event: EventName, fields: LogFields) => void;

/**
 * Bound fields are merged here, because pino's `child` would write a key twice if a line repeats
 * it.
 */
function logTo(write: Write, bound: LogFields = {}): Logger {
	const at = (level: LineLevel) => (event: EventName, fields?: LogFields) =>
		write(level, event, { ...bound, ...fields });
	return {
		error: at("error"),
		warn: at("warn"),
		info: at("info"),
		debug: at("debug"),
		child: (fields) => logTo(write, { ...bound, ...fields }),
	};
}
