/** What tests need that run the real OpenClaw on machines of their own. */
import { findOrInstallOpenClaw, type Installed } from "../packages/testkit/openclaw/openclaw.ts";
import { s3TestServer } from "../packages/testkit/store/s3-server.ts";
import { findIsolation, type Isolation } from "./machine.ts";

export interface Prerequisites {
	readonly isolation: Isolation;
	readonly openclaw: Installed;
}

/**
 * Installs OpenClaw into `.cache/openclaw` once: 650 MB.
 * @returns undefined, with a warning, if something is missing
 * @throws Error if something is missing and CI=true
 */
export async function findPrerequisites(what: string): Promise<Prerequisites | undefined> {
	const isolation = findIsolation();
	const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
	const missing = (reason: string) => {
		const message = `${what} cannot be tried here: ${reason}`;
		if (process.env.CI === "true") throw new Error(message);
		console.warn(`skipped: ${message}`);
		return undefined;
	};
	if (isolation.unshare === undefined) return missing(isolation.reason);
	if (openclaw.kind === "missing") return missing(openclaw.reason);
	if (s3TestServer() === undefined)
		return missing("there is no S3 server, which the line above says how to get");
	return { isolation, openclaw };
}
