import { describe, expect, test } from "vitest";
import { SidecarError } from "../errors.ts";
import { warningsInWords } from "./warnings.ts";

function told(
	isDaemon: boolean,
	use: (logger: ReturnType<typeof warningsInWords>) => void,
): string {
	let text = "";
	use(
		warningsInWords(isDaemon, (line) => {
			text += line;
		}),
	);
	return text;
}

describe("warnings in words", () => {
	test.each([
		["config.ignored", { reason: "env X is not an option" }, "env X is not an option"],
		[
			"recover.waiting",
			{ files: 1, writers: ["a"] },
			"1 file is quarantined: `openclaw-sidecar recover` lists it",
		],
		[
			"recover.waiting",
			{ files: 2 },
			"2 files are quarantined: `openclaw-sidecar recover` lists them",
		],
		[
			"deletion.not-believed",
			{ files: 14 },
			"14 files had vanished from this disk, too many at once to be meant: the restore brings them back",
		],
		[
			"security.secret-found",
			{ path: "a", secretKind: "jwt", policy: "exclude" },
			"a seems to hold a secret (jwt) and is left out; --on-secret decides",
		],
		[
			"restore.metadata-not-set",
			{ count: 7, paths: ["a", "b", "c", "d", "e", "f", "g"] },
			"the mode, time or owner of 7 paths could not be set here: a, b, c, d, e and 2 more",
		],
	] as const)("%s %j", (event, fields, words) => {
		expect(told(false, (logger) => logger.warn(event, fields))).toBe(
			`warning [${event}] ${words}\n`,
		);
	});

	test("an event without words is told by its fields, with its error's code and message", () => {
		const error = new SidecarError("STORE_FULL", { value: "s3://b" });
		const text = told(false, (logger) =>
			logger
				.child({ path: "notes/a" })
				.error("some.thing-new", { firstSeen: 3, error, kind: "sync" }),
		);
		expect(text).toBe(
			`warning [some.thing-new] path notes/a, first seen 3: [STORE_FULL] ${error.message}\n`,
		);
	});

	test("what the result says is not said twice, and log lines of lower levels are none", () => {
		const text = told(false, (logger) => {
			logger.warn("deletion.deferred", { files: 3 });
			logger.error("writer.superseded", {});
			logger.info("restore.finished", {});
			logger.debug("x.y", {});
		});
		expect(text).toBe("");
		// The result of `run` comes at its end, which may be days later.
		expect(told(true, (logger) => logger.warn("deletion.deferred", { files: 3 }))).toBe(
			"warning [deletion.deferred] files 3\n",
		);
	});

	test("a hostile name sends no control codes to the terminal", () => {
		const text = told(false, (logger) => logger.warn("capture.noted", { path: "\u001b[2Ja\nb" }));
		expect(text).toBe("warning [capture.noted] path \\u001b[2Ja\\u000ab\n");
	});
});
