/**
 * What a room below the daemon may know of telemetry: interfaces only, so that importing them costs
 * nothing.
 */

/**
 * Who an event is for: operators of the process, the state of the data, or those who watch for
 * abuse.
 */
export type EventKind = "lifecycle" | "sync" | "security";

/**
 * A stable name, `area.what-happened`, for example `restore.finished`. Dashboards and alarms depend
 * on it: never reword one.
 */
export type EventName = `${string}.${string}`;

/** Further keys of the line. `error` is shortened to what helps; secrets are redacted by key. */
export interface LogFields {
	readonly [key: string]: unknown;
	readonly error?: unknown;
	/** Overrides what `kindOf` derives from the event's area. */
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

/** Shows how far long work has come. One phase at a time; a new `start` ends the one before. */
export interface Progress {
	/** `phase` is a lower-case word such as `restore`; 0 in `total` means not known. */
	start(phase: string, total: Amount): void;
	/** Adds to what is done since `start`. Cheap enough to call per file. */
	advance(done: Amount): void;
	end(): void;
}
