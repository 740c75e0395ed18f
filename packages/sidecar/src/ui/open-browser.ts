/**
 * Opens the page in the person's browser, if there is one.
 *
 * The address holds the token, and every user of the machine can read a command line. So the
 * browser is given a private file that leads to the page.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** `dispose` removes the file. */
export interface Opened extends Disposable {
	/** Whether a program took it. */
	readonly isOpen: boolean;
}

/** @param command the desktop's opener */
export async function openBrowser(
	url: string,
	command = process.platform === "darwin" ? "open" : "xdg-open",
): Promise<Opened> {
	const directory = mkdtempSync(join(tmpdir(), "openclaw-sidecar-open-"));
	const path = join(directory, "open.html");
	// The URL is of this program's making: no character of it needs an escape.
	writeFileSync(
		path,
		`<!doctype html><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url=${url}">\n`,
		{ mode: 0o600 },
	);
	const isOpen = await started(command, pathToFileURL(path).href);
	return {
		isOpen,
		[Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
	};
}

async function started(command: string, address: string): Promise<boolean> {
	const child = spawn(command, [address], { stdio: "ignore", detached: true });
	child.unref();
	try {
		await once(child, "spawn");
		return true;
	} catch {
		return false;
	}
}
