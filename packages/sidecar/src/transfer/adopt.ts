/**
 * Adoption of plain objects, as `users/{namespace}/{path}` was stored before there was a log. If
 * the log's tree never held anything, they become its first content before anything else happens.
 * So no agent ever starts on an empty workspace whose files exist there.
 *
 * On by default, because it can destroy nothing: plain objects are only read and stay unchanged,
 * and the commit is the log's first. It runs only if the tree is empty, so an ordinary boot makes
 * no request for it. If the listing or any read fails, or a key cannot be a path, the caller gets
 * that error: the gate stays shut.
 */

import type { SecretPolicy } from "../capture/secret-guard.ts";
import { thisEnvironment } from "../commit/environment.ts";
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
	/** The xxh64 hash of the bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly times: FileTimes;
	readonly logger: Logger;
	readonly progress: Progress;
	/** How to treat secrets in them; default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	/** `new`: there must be no plain objects. */
	readonly expect?: "new" | "existing" | "any";
	readonly signal?: AbortSignal | undefined;
}

/**
 * The plain objects next to a log; undefined if there are none. @throws SidecarError as
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
			reason: `--expect new, but ${survey.files} files there are not part of a log`,
			remedy: "check --namespace, or leave out --expect to import them",
		});
	}
	options.logger.warn("import.adopting", {
		from: survey.url,
		files: survey.files,
		bytes: survey.bytes,
	});
	await importPlace({ ...options, environment: thisEnvironment }, survey);
	return true;
}
