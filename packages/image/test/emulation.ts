/**
 * Runs programs of another architecture on this machine through qemu, which the kernel starts for
 * them.
 */
import { existsSync, readFileSync } from "node:fs";
import { isInstalled, succeeds } from "../build/run.ts";

const BINFMT = "/proc/sys/fs/binfmt_misc";
const ARM64 = `${BINFMT}/qemu-aarch64`;

/** With the flag F, the kernel opens qemu in advance, so an image needs none inside. */
export function emulatesArm64(): boolean {
	return existsSync(ARM64) && /^flags: .*F/m.test(readFileSync(ARM64, "utf8"));
}

/** Use it only on a machine that exists for one run: it changes kernel settings. */
export function enableArm64(): void {
	if (emulatesArm64() || !isInstalled("update-binfmts")) return;
	if (!existsSync(`${BINFMT}/register`))
		succeeds(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT]);
	succeeds(["update-binfmts", "--enable", "qemu-aarch64"]);
}
