import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../build/place.ts";

/** The root directory of a Debian with systemd, kept between runs. */
export const SYSTEMD_ROOT = join(ROOT, ".cache/systemd/root");

/** Needs a network unless the directory is there. Takes about a minute. */
export function makeSystemdRoot(): void {
	if (existsSync(SYSTEMD_ROOT)) return;
	const started = `${SYSTEMD_ROOT}.${process.pid}`;
	mkdirSync(join(SYSTEMD_ROOT, ".."), { recursive: true });
	rmSync(started, { recursive: true, force: true });
	const packages = "systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session";
	execFileSync("mmdebstrap", ["--variant=minbase", `--include=${packages}`, "bookworm", started], {
		stdio: ["ignore", "ignore", "inherit"],
	});
	renameSync(started, SYSTEMD_ROOT);
}
