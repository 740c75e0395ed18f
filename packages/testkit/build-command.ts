import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const BUILD = fileURLToPath(new URL("../sidecar/build.ts", import.meta.url));

/** What process tests start is the command as it ships, made from the sources of this very run: half a second, and each start a third. */
export default function setup(): void {
	execFileSync(process.execPath, [BUILD, "--bundles-only"], { stdio: ["ignore", "ignore", "inherit"] });
}
