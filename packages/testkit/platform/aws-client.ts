/**
 * AWS's own client of the platform's contract: `LocalBedrockAgentCoreClient` of the starter toolkit,
 * which `agentcore invoke --local` uses. pip installs it into a virtual environment in the
 * repository's cache.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../processes.ts";

const PACKAGE = "bedrock-agentcore-starter-toolkit==0.3.14";
const CACHE = join(import.meta.dirname, "../../../.cache/aws-client");
const PYTHON = join(CACHE, "bin/python");
/** Written last: an environment cannot be moved to its place when it is complete. */
const COMPLETE = join(CACHE, "complete");
const INSTALL_LIMIT_MS = 600_000;
const RUN_LIMIT_MS = 300_000;

/** Arguments: endpoint, payload. Prints what the client prints, or returns. */
const SCRIPT = `
import sys
from bedrock_agentcore_starter_toolkit.services.runtime import LocalBedrockAgentCoreClient
endpoint, payload = sys.argv[1:]
answer = LocalBedrockAgentCoreClient(endpoint).invoke_endpoint("s" * 33, payload, "token", "http://127.0.0.1:1")
print(answer.get("response", ""))
`;

export type AwsClient =
	| { readonly kind: "installed"; invoke(endpoint: string, payload: string): Promise<string> }
	| { readonly kind: "missing"; readonly reason: string };

/** An existing installation, or a new one: 160 MB, about a minute. */
export async function findOrInstallAwsClient(): Promise<AwsClient> {
	if (!existsSync(COMPLETE)) {
		const problem = await install();
		if (problem !== undefined) return { kind: "missing", reason: problem };
	}
	return {
		kind: "installed",
		async invoke(endpoint, payload) {
			const { status, stdout, stderr } = await run(
				[PYTHON, "-c", SCRIPT, endpoint, payload],
				// Wide enough for its lines not to be wrapped.
				{ ...environment(), COLUMNS: "100000" },
				RUN_LIMIT_MS,
			);
			if (status !== 0) throw new Error(`AWS's client fails: ${stderr.slice(-2_000)}`);
			return stdout.toString();
		},
	};
}

async function install(): Promise<string | undefined> {
	const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"];
	for (const argv of [
		["python3", "-m", "venv", "--clear", CACHE],
		[PYTHON, ...pip, "--timeout=10", PACKAGE],
	]) {
		try {
			const { status, stderr } = await run(argv, environment(), INSTALL_LIMIT_MS);
			if (status !== 0) return `\`${argv.join(" ")}\` failed: ${stderr.trim().slice(-500)}`;
		} catch (error) {
			return (error as Error).message;
		}
	}
	writeFileSync(COMPLETE, "");
	return undefined;
}

/** pip gets the user's settings: an index, a proxy. */
function environment(): Record<string, string> {
	const kept = Object.entries(process.env).filter(([name]) =>
		/^(PATH|HOME|LANG|TMPDIR|.*_proxy|PIP_.*|SSL_CERT_.*)$/i.test(name),
	);
	return Object.fromEntries(kept) as Record<string, string>;
}
