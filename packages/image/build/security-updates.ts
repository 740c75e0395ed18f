/**
 * The packages of an image for which Debian has a fix: a newer version in its security archive, or
 * in a point release, which takes those in. Other updates, such as time zones, do not count. Needs a
 * network and podman.
 *
 * Does NOT see: what Debian has not fixed yet, and npm's packages; grype does, where its database can
 * be fetched (packages/image/ci/arm64.yml).
 */
import { outputOf } from "./run.ts";

/** `NAME/SUITE[,SUITE] VERSION ARCHITECTURE [upgradable from: OLD]` */
const LINE = /^([^/\s]+)\/(\S+) (\S+) \S+ \[upgradable from: ([^\]]+)\]$/;

/** Without the mode, apt reports an archive that it cannot reach with status 0. */
const SCRIPT =
	"apt-get -qq -o APT::Update::Error-Mode=any update >&2; apt-cache policy >/tmp/policy; grep -q -- '-security' /tmp/policy; apt list --upgradable 2>/dev/null";

/** @throws Error if Debian cannot be asked, or the image does not know its security archive */
export function securityUpdates(image: string): readonly string[] {
	const limits = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"];
	const podman = ["podman", "--runtime", "runc", "run", "--rm", "--pull", "never"];
	const where = ["--network", "host", ...limits, "--entrypoint", "sh", image];
	return updatesIn(outputOf([...podman, ...where, "-ec", SCRIPT]));
}

/** @param listing of `apt list --upgradable` */
export function updatesIn(listing: string): readonly string[] {
	return listing.split("\n").flatMap((line) => {
		const [, name, suites = "", version, old] = LINE.exec(line.trim()) ?? [];
		return name === undefined || suites.split(",").every((suite) => suite.endsWith("-updates"))
			? []
			: [`${name} ${old} -> ${version}`];
	});
}
