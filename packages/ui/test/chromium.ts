/** A real Chromium: Debian's package, started without a window. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Undefined if there is none; in CI that is an error. */
export function chromiumPath(): string | undefined {
	const path = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
	if (path !== undefined) return path;
	const reason =
		"the tests in a browser need Chromium: `apt-get install chromium`, or name one with CHROMIUM=/path";
	if (process.env.CI === "true") throw new Error(reason);
	console.warn(`SKIPPED: ${reason}`);
	return undefined;
}

export async function startChromium(executablePath: string): Promise<Browser> {
	return await chromium.launch({
		executablePath,
		// Containers have no user namespaces, and little shared memory.
		args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
	});
}
