/**
 * `service install` with a real systemd: Debian's, as the first process of a container, with the
 * bundled command and a user. As in the other image tests, the container has no network.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, copyFileSync, cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { CLI_BUNDLE } from "../../testkit/cli.ts";
import { makeSystemdRoot, SYSTEMD_ROOT } from "./systemd-root.ts";

const NAME = `openclaw-service-test-${randomUUID().slice(0, 8)}`;
const HOME = "/home/anna";
/** A directory whose name a unit must quote. */
const WORKSPACE = `${HOME}/ws 50% $x`;

/** Says that it is up, tries to write elsewhere, and writes a last line when it is told to end. */
const AGENT = `#!/bin/sh
cd '${WORKSPACE}' || exit 9
(echo x > ${HOME}/outside) 2>/dev/null && echo yes > escaped
(echo x > /etc/outside) 2>/dev/null && echo yes > escaped
trap 'echo "$1 $SECRET" > last; exit 0' TERM
echo up > up
while :; do sleep 0.1; done
`;

beforeAll(async () => {
	makeSystemdRoot();
	program("usr/local/bin/node", undefined);
	program("usr/local/bin/agent", AGENT);
	program(
		"usr/local/bin/openclaw-sidecar",
		'#!/bin/sh\nexec node /opt/openclaw-sidecar/openclaw-sidecar.js "$@"\n',
	);
	const command = join(SYSTEMD_ROOT, "opt/openclaw-sidecar");
	rmSync(command, { recursive: true, force: true });
	cpSync(dirname(CLI_BUNDLE), command, { recursive: true });
	const limits = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"];
	const mounts = ["--tmpfs", "/run", "--tmpfs", "/tmp", ...cgroupMounts()];
	const rights = ["--privileged", "--network", "none", "--env", "container=podman"];
	const root = ["--rootfs", `${SYSTEMD_ROOT}:O`, "/lib/systemd/systemd"];
	podman("run", "--detach", "--name", NAME, ...limits, ...mounts, ...rights, ...root);
	await vi.waitFor(() => asRoot("systemctl", "is-active", "systemd-logind"), {
		timeout: 60_000,
		interval: 200,
	});
	asRoot("useradd", "--create-home", "anna");
	asRoot("loginctl", "enable-linger", "anna");
	asRoot("systemctl", "start", "user@1000.service");
}, 240_000);

afterAll(() => {
	execFileSync("podman", ["rm", "--force", "--ignore", "--time", "0", NAME], { stdio: "ignore" });
});

describe.each(["user", "system"] as const)("as a service of the %s", (scope) => {
	const isUser = scope === "user";
	const run = isUser ? asAnna : asRoot;
	const which = isUser ? [] : ["--system"];
	const written = `${HOME}/.config/openclaw-sidecar/${scope}.json`;
	// systemd reads the files of a system service as root, so they are root's.
	const directory = isUser ? `${HOME}/.config/openclaw-sidecar` : "/etc/openclaw-sidecar";
	const config = `${directory}/${scope}.json`;
	const sidecar = (...args: readonly string[]) =>
		run("openclaw-sidecar", "--config", config, ...args);

	test("it restores, starts the agent in its restrictions, and drains at the end", async () => {
		const store = `file://${HOME}/store-${scope}`;
		asAnna(
			...["openclaw-sidecar", "init", "--yes", "--config", written],
			...["--workspace", WORKSPACE, "--store", store],
		);
		if (!isUser) asRoot("install", "-D", "-m", "0640", "-g", "anna", written, config);
		run("sh", "-c", `umask 077; echo SECRET=hush > ${directory}/openclaw-sidecar.env`);
		const as = isUser ? [] : ["--run-as", "anna"];
		const install = ["service", "install", ...which, ...as];
		const printed = sidecar(...install, "--print", "--", "agent", "50% $HOME");
		// systemd's own opinion of the unit: no complaint, and a low exposure.
		const unit = `/tmp/${scope}.service`;
		asRoot("sh", "-c", `cat > ${unit} <<'EOF'\n${printed}EOF`);
		expect(asRoot("systemd-analyze", "verify", unit)).toBe("");
		const exposure = /exposure level for \S+: ([\d.]+)/.exec(
			asRoot("systemd-analyze", "security", "--offline=true", unit),
		);
		expect(Number(exposure?.[1])).toBeLessThanOrEqual(2.3);

		expect(sidecar(...install, "--", "agent", "50% $HOME")).toContain("active (running), enabled");
		await expect.poll(() => asAnna("ls", WORKSPACE)).toBe("up\n");
		expect(sidecar("service", "status", ...which)).toContain("active (running), enabled");
		// The daemon in the service answers the command outside it.
		const flush = () => asAnna("openclaw-sidecar", "--config", config, "flush");
		// Whether the daemon or this request commits first is open; both end with 0.
		expect(flush()).toMatch(/durable|committed/);
		expect(asAnna("openclaw-sidecar", "--config", config, "status")).toContain("serving");
		expect(sidecar("service", "remove", ...which)).toContain(`workspace  ${WORKSPACE}`);
		expect(asAnna("openclaw-sidecar", "--config", config, "cat", "last")).toBe("50% $HOME hush\n");
		expect(asAnna("openclaw-sidecar", "--config", config, "flush")).toContain("nothing to flush");
		asRoot("rm", "-r", WORKSPACE);
	});
});

/**
 * With the first version of cgroups, systemd remounts their directory read-only. A bind mount would
 * pass that on to this machine, so the container gets a directory of its own.
 */
function cgroupMounts(): readonly string[] {
	const own = ["systemd", "unified"].map((name) => `/sys/fs/cgroup/${name}`).filter(existsSync);
	const shared = own.length > 0 ? own : ["/sys/fs/cgroup"];
	return [
		...(own.length > 0 ? ["--tmpfs", "/sys/fs/cgroup"] : []),
		...shared.flatMap((place) => ["--volume", `${place}:${place}`]),
	];
}

/** @param text undefined: Node itself */
function program(path: string, text: string | undefined): void {
	const place = join(SYSTEMD_ROOT, path);
	if (text === undefined) copyFileSync(process.execPath, place);
	else writeFileSync(place, text);
	chmodSync(place, 0o755);
}

function asRoot(...command: readonly string[]): string {
	return podman("exec", NAME, ...command);
}

function asAnna(...command: readonly string[]): string {
	const env = ["--env", `HOME=${HOME}`, "--env", "XDG_RUNTIME_DIR=/run/user/1000"];
	return podman("exec", "--user", "anna", ...env, "--workdir", HOME, NAME, ...command);
}

function podman(...args: readonly string[]): string {
	return execFileSync("podman", ["--runtime", "runc", "--log-level", "error", ...args], {
		encoding: "utf8",
		stdio: ["ignore", "pipe", "inherit"],
	});
}
