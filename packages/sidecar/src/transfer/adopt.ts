/**
 * Adoption: a log whose tree never held anything, and plain objects beside it, as
 * `users/{namespace}/{path}` was kept before there was a log. They become the log's first content
 * before anything else happens, so that no agent ever starts on an empty workspace whose files lie
 * there.
 *
 * On by default, because it can destroy nothing: plain objects are only read, stay as they are, and
 * the commit is the log's first. Asked only where the tree is empty, so that an ordinary boot pays
 * no request for it. Where the listing or any read fails, or a key cannot be a path, that error is
 * the caller's: the gate stays shut.
 */

import type { SecretPolicy } from "../capture/secret-guard.ts";
import { thisMachine } from "../commit/machine.ts";
import { SidecarError } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { FileTimes } from "../workspace/file-times.ts";
import type { Profile } from "../workspace/profile.ts";
import { importPlace } from "./import-place.ts";
import { type Survey, surveyPlace } from "./survey-place.ts";

export interface AdoptOptions {
	readonly store: ObjectStore;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	/** xxh64 of some bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly times: FileTimes;
	readonly log: Logger;
	readonly progress: Progress;
	/** What becomes of secrets in them; default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	/** `new`: there must be none. */
	readonly expect?: "new" | "existing" | "any";
	readonly signal?: AbortSignal | undefined;
}

/**
 * The plain objects beside a log; undefined where there are none. @throws SidecarError as
 * `surveyPlace`
 */
export async function findPlain({
	store,
	profile,
	signal,
}: Pick<AdoptOptions, "store" | "profile" | "signal">): Promise<Survey | undefined> {
	const place = store.plain?.("");
	return place === undefined
		? undefined
		: await surveyPlace({ store, place, besideLog: true, profile, signal });
}

/**
 * @returns whether there was something to adopt. @throws SidecarError USAGE (`expect` is `new`),
 * and as `surveyPlace` and `importPlace`
 */
export async function adopt(options: AdoptOptions): Promise<boolean> {
	const survey = await findPlain(options);
	if (survey === undefined) return false;
	if (options.expect === "new") {
		throw new SidecarError("USAGE", {
			value: survey.url,
			reason: `--expect new, but ${survey.files} files lie there that are no part of a log`,
			remedy: "check --namespace, or leave --expect out: they are imported then",
		});
	}
	options.log.warn("import.adopting", {
		from: survey.url,
		files: survey.files,
		bytes: survey.bytes,
	});
	await importPlace({ ...options, machine: thisMachine }, survey);
	return true;
}
