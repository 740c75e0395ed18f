import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./place.ts";
import { outputOf, succeeds } from "./run.ts";

export interface Labels {
	/** The version of the sidecar. */
	readonly VERSION: string;
	/** The commit, if there is one. */
	readonly REVISION: string;
}

/** The image's labels about its origin. */
export function labels(): Labels {
	const { version } = JSON.parse(
		readFileSync(join(ROOT, "packages/sidecar/package.json"), "utf8"),
	) as { readonly version: string };
	const head = ["git", "-C", ROOT, "rev-parse", "HEAD"];
	return { VERSION: version, REVISION: succeeds(head) ? outputOf(head) : "unknown" };
}
