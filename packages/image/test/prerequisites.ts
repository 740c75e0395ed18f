/** The requirements of the image test, and how a machine that exists for one run installs them. */
import { existsSync } from "node:fs";
import { isInstalled, run } from "../build/run.ts";
import { emulatesArm64, enableArm64 } from "./emulation.ts";

/** The Debian package of each program. */
const NEEDED = {
	buildah: "buildah",
	podman: "podman",
	"podman-compose": "podman-compose",
	runc: "runc",
	mmdebstrap: "mmdebstrap",
	ip: "iproute2",
	unshare: "util-linux",
} as const;

const EMULATION = ["qemu-user-static", "binfmt-support"];

/**
 * With `CI=true`: installs missing packages from Debian, and lets the kernel run programs for
 * arm64.
 */
export function installMissing(): void {
	const packages = [...missingPackages(), ...(emulatesArm64() ? [] : EMULATION)];
	if (process.getuid?.() !== 0 || !isInstalled("apt-get")) return;
	if (packages.length > 0) {
		run(["apt-get", "update"]);
		run(installation(packages));
		// What podman brought may need a package more.
		const further = missingPackages();
		if (further.length > 0) run(installation(further));
	}
	enableArm64();
}

/** Why the test cannot run here, and the remedy; undefined if it can. */
export function whatIsLacking(): string | undefined {
	if (process.getuid?.() !== 0) return "run it as root";
	const packages = missingPackages();
	return packages.length === 0
		? undefined
		: `it needs ${packages.join(", ")}. On Debian: ${installation(packages).join(" ")}`;
}

/** The same for the image of another architecture. */
export function whatEmulationLacks(): string | undefined {
	return emulatesArm64()
		? undefined
		: `its programs cannot be emulated here. On Debian: ${installation(EMULATION).join(" ")}`;
}

function missingPackages(): readonly string[] {
	const missing = Object.entries(NEEDED)
		.filter(([program]) => !isInstalled(program))
		.map(([, name]) => name);
	// The podman of Debian 12 resolves the names of containers with it.
	const lacksNames = existsSync("/usr/lib/cni/bridge") && !existsSync("/usr/lib/cni/dnsname");
	return lacksNames ? [...missing, "golang-github-containernetworking-plugin-dnsname"] : missing;
}

function installation(packages: readonly string[]): readonly string[] {
	return ["apt-get", "install", "--yes", "--no-install-recommends", ...packages];
}
