import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./place.ts";
import { outputOf, succeeds } from "./run.ts";

export interface Labels {
	/** Of the sidecar. */
	readonly VERSION: string;
	/** The commit, where there is one. */
	readonly REVISION: string;
}

/** What the image says of where it comes from. */
export function labels(): Labels {
	const { version } = JSON.parse(
		readFileSync(join(ROOT, "packages/sidecar/package.json"), "utf8"),
	) as { readonly version: string };
	const head = ["git", "-C", ROOT, "rev-parse", "HEAD"];
	return { VERSION: version, REVISION: succeeds(head) ? outputOf(head) : "unknown" };
}
