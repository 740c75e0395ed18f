/**
 * The part of telemetry that rooms below the daemon may import: interfaces only, which cost nothing
 * at run time.
 */

/**
 * The audience of an event: operators of the process, those who need the state of the data, or
 * those who watch for abuse.
 */
export type EventKind = "lifecycle" | "sync" | "security";

/**
 * A stable name, `area.what-happened`, for example `restore.finished`. Dashboards and alarms depend
 * on it: never reword one.
 */
export type EventName = `${string}.${string}`;

/**
 * Further keys of the line. `error` is reduced to its useful parts; secrets are redacted by key.
 */
export interface LogFields {
	readonly [key: string]: unknown;
	readonly error?: unknown;
	/** Overrides the kind that `kindOf` derives from the event's area. */
	readonly kind?: EventKind;
	readonly event?: never;
	readonly level?: never;
	readonly time?: never;
}

export interface Logger {
	error(event: EventName, fields?: LogFields): void;
	warn(event: EventName, fields?: LogFields): void;
	info(event: EventName, fields?: LogFields): void;
	debug(event: EventName, fields?: LogFields): void;
	/** A log whose every line also carries `fields`; a line's own fields win. */
	child(fields: LogFields): Logger;
}

export interface Amount {
	readonly files: number;
	readonly bytes: number;
}

/** Shows the progress of long work. One phase at a time; a new `start` ends the previous one. */
export interface Progress {
	/** `phase` is a lower-case word such as `restore`; 0 in `total` means unknown. */
	start(phase: string, total: Amount): void;
	/** Adds to the amount since `start`. Cheap enough to call per file. */
	advance(done: Amount): void;
	end(): void;
}
