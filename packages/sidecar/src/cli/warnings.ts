/**
 * Warnings in words, for people and for programs that read a command's result: log lines are for
 * daemons, and for those who ask for them with --log-level.
 */
import { printable } from "../errors.ts";
import { count, humanBytes, plural } from "../telemetry/format.ts";
import { createLogger, serializeError } from "../telemetry/logger.ts";
import type { EventName, LogFields, Logger } from "../telemetry/types.ts";

/** What the results of all one-shot commands say themselves. */
const SAID_BY_RESULT: ReadonlySet<EventName> = new Set<EventName>([
	"deletion.deferred",
	"export.not-carried",
	"repair.removed",
	"restore.moved",
	"restore.root-left-out",
	"restore.turn",
	"retention.unknown-key",
	"retention.unreadable",
	"rollback.turn",
	"writer.superseded",
]);

/** `run` prints these when it has started, and the rest at its end. */
const SAID_BY_RUN: ReadonlySet<EventName> = new Set<EventName>(["start.receipt"]);

type Words = (fields: LogFields) => string;

/** An event that is not here is told by its fields. */
const WORDS: Readonly<Record<EventName, Words>> = {
	"config.ignored": ({ reason }) => text(reason),
	"deletion.not-believed": ({ files }) =>
		`${count(Number(files), "file")} had vanished from this disk, too many at once to be meant: the restore brings ${plural(Number(files), "it", "them")} back`,
	"fence.lost": () => "another writer took the log at the same time; trying again",
	"import.adopting": ({ from, files, bytes }) =>
		`the log is empty: importing ${count(Number(files), "file")}, ${humanBytes(Number(bytes))}, from ${text(from)}`,
	"quarantine.committed": ({ files }) =>
		`${count(Number(files), "file")} that ${plural(Number(files), "was", "were")} moved out of the way ${plural(Number(files), "is", "are")} in the log: \`openclaw-sidecar recover\` lists ${plural(Number(files), "it", "them")}`,
	"recover.waiting": ({ files }) =>
		`${count(Number(files), "file")} ${plural(Number(files), "is", "are")} quarantined: \`openclaw-sidecar recover\` lists ${plural(Number(files), "it", "them")}`,
	"restore.metadata-not-set": ({ count: number, paths }) =>
		`the mode, time or owner of ${count(Number(number), "path")} could not be set here: ${listed(paths)}`,
	"restore.mounted-files": ({ count: number, paths }) =>
		`${count(Number(number), "file")} ${plural(Number(number), "is", "are")} mounted one by one, and a restore cannot replace ${plural(Number(number), "it", "them")}: ${listed(paths)}`,
	"restore.read-only-mounts": ({ paths }) =>
		`mounted read-only, so a restore cannot write there: ${listed(paths)}`,
	"restore.root-is-another": ({ path, directory }) =>
		`${text(path)}: ${text(directory)} is not the directory that it was before; is its volume mounted?`,
	"rollback.not-saved": ({ paths }) => `not in any commit: ${listed(paths)}`,
	"security.mass-rewrite": ({ seq }) =>
		`commit ${text(seq)} rewrites most files of the workspace at once, as ransomware does; if that was not meant, \`openclaw-sidecar history\` lists the commits before it`,
	"security.secret-found": ({ path, secretKind, policy }) =>
		`${text(path)} seems to hold a secret (${text(secretKind)}) and is ${policy === "exclude" ? "left out" : "stored"}; --on-secret decides`,
	"store.overwrote": ({ reason, remedy }) => `${text(reason)}; ${text(remedy)}`,
};

/** A logger without log lines: warnings and errors in words. */
export function warningsInWords(isDaemon: boolean, write: (line: string) => void): Logger {
	const said = isDaemon ? SAID_BY_RUN : SAID_BY_RESULT;
	const tell = (event: EventName, fields: LogFields = {}) => {
		if (!said.has(event))
			write(`warning [${event}] ${printable((WORDS[event] ?? plainly)(fields), 2_000)}\n`);
	};
	return loggerOf(tell, tell);
}

/** JSON lines of warnings that the result does not say. */
export function warningLines(): Logger {
	const lines = createLogger("warn");
	const only =
		(write: Logger["warn"]): Logger["warn"] =>
		(event, fields) => {
			if (!SAID_BY_RESULT.has(event)) write(event, fields);
		};
	return loggerOf(only(lines.warn), only(lines.error));
}

function loggerOf(warn: Logger["warn"], error: Logger["error"]): Logger {
	const child = (bound: LogFields): Logger =>
		loggerOf(
			(event, fields) => warn(event, { ...bound, ...fields }),
			(event, fields) => error(event, { ...bound, ...fields }),
		);
	return { error, warn, info() {}, debug() {}, child };
}

/** `path notes/a, reason it kept growing`: for an event without words of its own. */
function plainly(fields: LogFields): string {
	const { error, kind, ...rest } = fields;
	const known = Object.entries(rest)
		.map(([key, value]) => `${spaced(key)} ${text(value)}`)
		.join(", ");
	if (error === undefined) return known;
	const { code, message } = serializeError(error) as { code?: string; message: string };
	const failure = `${code === undefined ? "" : `[${code}] `}${message}`;
	return known === "" ? failure : `${known}: ${failure}`;
}

function spaced(key: string): string {
	return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function text(value: unknown): string {
	if (Array.isArray(value)) return listed(value);
	return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

const SHOWN = 5;

function listed(value: unknown): string {
	const names = Array.isArray(value) ? value.map((each) => text(each)) : [text(value)];
	const more = names.length - SHOWN;
	return `${names.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${count(more, "more", "more")}` : ""}`;
}
