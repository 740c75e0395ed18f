/** Tests what an agent in the image can access, with a program in the agent's place. */
import { hash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { classifyNode } from "../../sidecar/src/library/doctor/machine-checks.ts";
import { CLI_BUNDLE } from "../../testkit/cli.ts";
import openclaw from "../openclaw/package.json" with { type: "json" };
import { Container, inImage, inspectImage, runIn } from "./container.ts";
import type { Probed } from "./probe.ts";

const SECRET = "canary-5b1d";
const PROBE = join(import.meta.dirname, "probe.ts");

let root: string;
beforeAll(() => {
	root = mkdtempSync(join(tmpdir(), "openclaw-image-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/**
 * Runs the probe as the agent of a sidecar, and returns its output. The workspace is not a volume,
 * because a volume cannot be renamed.
 */
async function probed(name: string, options: readonly string[] = []): Promise<Probed> {
	const [out, store] = ["out", "store"].map((directory) => join(root, name, directory)) as [
		string,
		string,
	];
	// The usual mode of directories.
	for (const directory of [out, store]) mkdirSync(directory, { recursive: true, mode: 0o755 });
	chmodSync(out, 0o777);
	await using container = new Container(name, {
		volumes: { "/out": out, "/store": store, "/probe.ts:ro": PROBE },
		env: {
			OPENCLAW_SIDECAR_STORE: "file:///store",
			OPENCLAW_SIDECAR_PROFILE: "plain",
			AWS_SECRET_ACCESS_KEY: SECRET,
		},
		args: [
			...options,
			"--",
			"setpriv",
			"--inh-caps=-all",
			"--",
			"node",
			"/probe.ts",
			"/out/probed.json",
		],
	});
	expect([await container.process.exited, container.process.tail]).toMatchObject([
		{ code: 0 },
		expect.stringContaining("durable"),
	]);
	return JSON.parse(readFileSync(join(out, "probed.json"), "utf8")) as Probed;
}

describe("an agent in the image", () => {
	let agent: Probed;
	beforeAll(async () => {
		agent = await probed("agent");
	});

	test("cannot access anything of the sidecar", () => {
		expect(agent.attempts).toEqual({
			"the daemon's environment": "EACCES",
			"the daemon's memory": "EACCES",
			"opening the daemon's memory": "EACCES",
			"the daemon's descriptors": "EACCES",
			"the daemon's directory": "EACCES",
			"the sidecar's state": "EACCES",
			"root's home": "EACCES",
			"the store": "EACCES",
			"a signal to the daemon": "EPERM",
			"being root": "EPERM",
			"the sidecar's program": "EACCES",
			"the sidecar's compile cache": "EACCES",
			"its own compile cache": "EACCES",
			"its own program": "EACCES",
			"another directory in place of the workspace": "EACCES",
			"the control socket": "EACCES",
		});
		expect(agent.environment.filter((name) => /^(AWS_|OPENCLAW_SIDECAR_)/.test(name))).toEqual([]);
	});

	test("has no capability, and no way to gain one", () => {
		const none = "0000000000000000";
		expect(agent.status).toEqual({
			Uid: "10001\t10001\t10001\t10001",
			Gid: "10001\t10001\t10001\t10001",
			Groups: expect.stringMatching(/^\s*$/),
			CapInh: none,
			CapPrm: none,
			CapEff: none,
			CapBnd: none,
			CapAmb: none,
			NoNewPrivs: "1",
		});
	});

	test("can write only its own directories and those for temporary files", () => {
		const own = [".cache", ".config", ".local", ".npm", ".openclaw"].map(
			(name) => `/home/openclaw/${name}`,
		);
		expect([...agent.writable].sort()).toEqual([...own, "/tmp", "/var/tmp"]);
	});

	test("could access the files as the sidecar's user, so the probe can succeed", async () => {
		const root = await probed("control", ["--agent-user", "0:0"]);
		const files = [
			"root's home",
			"the sidecar's state",
			"the store",
			"the sidecar's program",
			"a signal to the daemon",
		];
		expect(files.map((name) => [name, root.attempts[name]])).toEqual(
			files.map((name) => [name, "succeeded"]),
		);
		// Even then, root without the sidecar's capabilities cannot read its memory.
		expect(root.attempts).toMatchObject({
			"the daemon's environment": "EACCES",
			"opening the daemon's memory": "EACCES",
		});
		expect(root.status).toMatchObject({
			CapBnd: "0000000000000000",
			CapEff: "0000000000000000",
			NoNewPrivs: "1",
		});
	});
});

describe("the image", () => {
	const find = (...condition: readonly string[]) =>
		inImage("find", "/", "-xdev", ...condition)
			.split("\n")
			.filter(Boolean);

	test("has no setuid or setgid file", () => {
		expect(find("-type", "f", "-perm", "/6000")).toEqual([]);
	});

	test("has no world-writable path except the two sticky directories for temporary files", () => {
		expect(find("-perm", "-0002", "-not", "-type", "l").sort()).toEqual(["/tmp", "/var/tmp"]);
		expect(find("-perm", "-1002", "-type", "d").sort()).toEqual(["/tmp", "/var/tmp"]);
	});

	test("gives the agent's user only its home", () => {
		expect(find("-uid", "10001", "-not", "-path", "/home/openclaw/*")).toEqual([]);
	});

	test("has no build-only tools, but has npm, with which OpenClaw installs plugins", () => {
		const tools = "cc gcc make python3 git yarn corepack pnpm npm node".split(" ");
		const found = inImage(
			"sh",
			"-c",
			`for tool in ${tools.join(" ")}; do command -v $tool; done; true`,
		);
		expect(found.split("\n")).toEqual(["/usr/local/bin/npm", "/usr/local/bin/node"]);
	});

	test("starts the sidecar as root on port 8080, by numbers, without a health check", () => {
		const { Config } = inspectImage();
		expect(Config).toMatchObject({
			User: "0:0",
			ExposedPorts: { "8080/tcp": {} },
			Entrypoint: ["/usr/local/bin/openclaw-sidecar", "run"],
			Cmd: ["--listen", "0.0.0.0:8080", "--", "start-openclaw"],
			Labels: {
				"org.opencontainers.image.title": "openclaw-sidecar",
				"org.opencontainers.image.licenses": "Apache-2.0",
				"org.opencontainers.image.version": expect.stringMatching(/^\d+\.\d+\.\d+$/),
				"org.opencontainers.image.revision": expect.stringMatching(/^[0-9a-f]{40}$/),
			},
		});
		expect(Config.Healthcheck).toBeUndefined();
		expect(
			(Config.Env as string[]).filter((entry) => /KEY|TOKEN|SECRET|PASSWORD/i.test(entry)),
		).toEqual([]);
	});

	test("contains the sidecar of this checkout, byte for byte", () => {
		const hashOf = (path: string) => hash("sha256", readFileSync(path));
		const dist = dirname(CLI_BUNDLE);
		const parts = readdirSync(dist).filter((name) => name.endsWith(".mjs"));
		const here = new Map(parts.map((name) => [name, hashOf(join(dist, name))]));
		here.set("openclaw-sidecar.mjs", hashOf(CLI_BUNDLE));
		const inside = inImage("sh", "-c", "cd /opt/openclaw-sidecar && sha256sum *.mjs");
		const lines = inside.split("\n").map((line) => line.split("  "));
		expect(new Map(lines.map(([sum = "", name = ""]) => [name, sum]))).toEqual(here);
	});

	test("has the tools of a build argument, without a setuid bit, and lists them", () => {
		const image = process.env.OPENCLAW_TEST_IMAGE_TOOLS ?? "";
		const script = [
			"git init --quiet /tmp/repository && git -C /tmp/repository status --short",
			"curl --version | head -c 5",
			"python3 -c 'import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 100)'",
			"find / -xdev -type f -perm /6000",
			"ls /var/lib/apt/lists",
		].join("; ");
		expect(runIn(image, "sh", "-c", script)).toBe("curl True");
		const bill = JSON.parse(runIn(image, "cat", "/usr/share/sbom/debian.cdx.json"));
		const names = bill.components.map(({ name }: { readonly name: string }) => name);
		expect(names).toEqual(expect.arrayContaining(["git", "curl", "ca-certificates", "python3"]));
	});

	test("has Node with the security fixes that doctor asks for, and Debian's current release", () => {
		const [version = "", release] = inImage(
			"sh",
			"-c",
			"node --version; cat /etc/debian_version",
		).split("\n");
		expect(classifyNode(version)).toMatchObject({ status: "ok" });
		expect(release).toMatch(/^13(\.|$)/);
	});

	test("is far below the platform's 2 GB", () => {
		expect(inspectImage().Size).toBeLessThan(1_000_000_000);
	});

	test("names Debian's release and source packages, by which a scanner finds vulnerabilities", () => {
		const bill = JSON.parse(inImage("cat", "/usr/share/sbom/debian.cdx.json"));
		const packages: readonly { readonly name: string; readonly purl?: string }[] = bill.components;
		const urls = packages.flatMap(({ purl = "" }) => (purl.startsWith("pkg:deb/") ? [purl] : []));
		expect(urls.length).toBeGreaterThan(50);
		for (const url of urls) expect(url).toMatch(/[?&]distro=debian-13&upstream=\w/);
		expect(urls.find((url) => url.includes("/libc6@"))).toContain("upstream=glibc");
	});

	test.each([
		["openclaw", `pkg:npm/openclaw@${openclaw.dependencies.openclaw}`],
		["openclaw-sidecar", "pkg:npm/hono@"],
		["debian", "pkg:deb/debian/libc6@"],
	])("says what %s is made of", (name, component) => {
		const bill = JSON.parse(inImage("cat", `/usr/share/sbom/${name}.cdx.json`));
		expect(bill.bomFormat).toBe("CycloneDX");
		const purls = [bill.metadata?.component, ...bill.components].map((entry) =>
			String(entry?.purl),
		);
		expect(purls.some((purl) => purl.startsWith(component))).toBe(true);
	});
});
