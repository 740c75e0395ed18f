/**
 * The rules as artifacts of falcoctl: pushed to a real registry, read back and installed by the real
 * falcoctl. Both are built from the Go module proxy, once. Without Go these tests are skipped; with
 * CI=true that is an error.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { synthesise } from "../../packages/infra/test/synth.ts";
import { freePort } from "../../packages/testkit/free-port.ts";
import { GoToolUnavailable, goTool } from "../../packages/testkit/go-tool.ts";
import { findFalco, findPlugins, validate } from "../test/driver/engine.ts";
import { KINDS, RULES_FILES } from "../test/driver/places.ts";
import { indexOf, type Published, publish, VERSION } from "./publish.ts";

const tools = await obtain();

async function obtain() {
	try {
		return {
			crane: await goTool({
				module: "github.com/google/go-containerregistry",
				version: "v0.21.7",
				main: "cmd/crane",
				what: "an OCI registry (crane): once, some seconds",
			}),
			falcoctl: await goTool({
				module: "github.com/falcosecurity/falcoctl",
				version: "v0.12.2",
				what: "falcoctl, which installs Falco rules: once, 3 to 5 minutes on 2 cores",
			}),
		};
	} catch (error) {
		if (!(error instanceof GoToolUnavailable) || process.env.CI === "true") throw error;
		console.warn(`The tests of Falco's artifacts are SKIPPED: ${error.message}`);
		return undefined;
	}
}

let place: string;
let server: ChildProcess;
let host: string;
let repository: string;
let published: readonly Published[];
let plugins: readonly Plugin[];

describe.skipIf(tools === undefined)("the rules in a registry", () => {
	beforeAll(async () => {
		place = mkdtempSync(join(tmpdir(), "openclaw-falco-artifact-"));
		host = `127.0.0.1:${await freePort()}`;
		repository = `${host}/openclaw`;
		server = spawn(tools!.crane, ["registry", "serve", "--address", host], {
			env: { HOME: place, PATH: process.env.PATH },
			stdio: "ignore",
		});
		await vi.waitFor(async () => expect((await fetch(`http://${host}/v2/`)).status).toBe(200), {
			timeout: 20_000,
		});
		vi.stubEnv("FALCOCTL", tools!.falcoctl);
		published = publish(repository, { out: join(place, "out"), isPlainHttp: true });
		plugins = [pushPlugin("cloudtrail", "0.16.0"), pushPlugin("json", "0.7.0")];
		writeFileSync(join(place, "index.yaml"), stringify([...indexOf(repository), ...plugins]));
	});
	afterAll(async () => {
		if (server.exitCode === null) {
			server.kill("SIGTERM");
			await Promise.race([once(server, "exit"), sleep(5_000).then(() => server.kill("SIGKILL"))]);
		}
		rmSync(place, { recursive: true, force: true });
	});

	test("have a version, the engine that they require, and the plugins that they depend on", async () => {
		const configs = await Promise.all(
			published.map(async ({ name }) => {
				const { config, layers } = (await get(
					`${name}/manifests/${VERSION}`,
					MANIFEST,
				)) as Manifest;
				expect(config.mediaType).toBe("application/vnd.cncf.falco.rulesfile.config.v1+json");
				expect(layers.map(({ mediaType }) => mediaType)).toEqual([
					"application/vnd.cncf.falco.rulesfile.layer.v1+tar.gz",
				]);
				return await get(`${name}/blobs/${config.digest}`);
			}),
		);
		expect(configs).toEqual([
			{ name: "openclaw-rules", version: VERSION, requirements: engine("0.57.0") },
			{
				name: "openclaw-container-rules",
				version: VERSION,
				dependencies: [{ name: "container", version: "0.4.0" }],
				requirements: engine("0.57.0"),
			},
			{
				name: "openclaw-cloudtrail-rules",
				version: VERSION,
				dependencies: [
					{ name: "cloudtrail", version: "0.16.0" },
					{ name: "json", version: "0.7.0" },
				],
				requirements: engine("0.62.0"),
			},
		]);
	});

	test("have tags that follow patches and minor versions", async () => {
		const [major, minor] = VERSION.split(".");
		const { tags } = (await get("openclaw-rules/tags/list")) as { readonly tags: string[] };
		expect(tags.sort()).toEqual([major, `${major}.${minor}`, VERSION].sort());
	});

	test("are installed by digest, byte for byte, as the checksums say", () => {
		const directory = emptyDirectory("by-digest");
		const references = published.map(({ reference }) => reference);
		const { status, stderr } = falcoctl(
			...["artifact", "install", "--plain-http", "--resolve-deps=false"],
			...["--rulesfiles-dir", directory, ...references],
		);
		expect([status, stderr]).toEqual([0, expect.any(String)]);
		for (const kind of KINDS) {
			const path = RULES_FILES[kind];
			expect(readFileSync(join(directory, basename(path)))).toEqual(readFileSync(path));
		}
		const sums = join(place, "out/SHA256SUMS");
		const check = spawnSync("sha256sum", ["--check", "--strict", sums], { cwd: directory });
		expect(check.status).toBe(0);
		loadWithFalco(directory);
	});

	test("are installed by name, with the plugins that they depend on", () => {
		const rules = emptyDirectory("by-name-rules");
		const libraries = emptyDirectory("by-name-plugins");
		const { status, stderr } = falcoctl(
			...["artifact", "install", "--plain-http", "openclaw-cloudtrail-rules:0"],
			...["--rulesfiles-dir", rules, "--plugins-dir", libraries],
		);
		expect([status, stderr]).toEqual([0, expect.any(String)]);
		expect(readdirSync(rules)).toEqual(["openclaw_cloudtrail_rules.yaml"]);
		expect(readdirSync(libraries).sort()).toEqual(["libcloudtrail.so", "libjson.so"]);
	});

	test("are refused by falcoctl if the registry sends something else", async () => {
		const directory = emptyDirectory("changed");
		const { name, reference } = published[0]!;
		const { layers } = (await get(`${name}/manifests/${VERSION}`, MANIFEST)) as Manifest;
		const proxy = createServer(async ({ method = "", url = "", headers }, response) => {
			const { accept = "*/*" } = headers;
			const upstream = await fetch(`http://${host}${url}`, { method, headers: { accept } });
			const body = Buffer.from(await upstream.arrayBuffer());
			if (url.endsWith(layers[0]!.digest)) body[body.length - 1]! ^= 1;
			response.writeHead(upstream.status, Object.fromEntries(upstream.headers)).end(body);
		}).listen(0, "127.0.0.1");
		await once(proxy, "listening");
		try {
			const { port } = proxy.address() as AddressInfo;
			const changed = reference.replace(host, `127.0.0.1:${port}`);
			const { status, output } = await falcoctlMeanwhile(
				...["artifact", "install", "--plain-http", "--resolve-deps=false"],
				...["--rulesfiles-dir", directory, changed],
			);
			expect([status, output]).toEqual([1, expect.stringMatching(/mismatch/)]);
			expect(readdirSync(directory)).toEqual([]);
		} finally {
			proxy.close();
		}
	});

	test("a deployment's falcoctl installs plugins by digest, with nothing but its own directories to write to", () => {
		const libraries = emptyDirectory("deployed-plugins");
		const scratch = emptyDirectory("deployed-scratch");
		const { ContainerDefinitions } = Object.values(
			synthesise("falco").template.findResources("AWS::ECS::TaskDefinition"),
		)[0]!.Properties as { readonly ContainerDefinitions: readonly Container[] };
		const { Command, Environment } = ContainerDefinitions.find(({ Name }) => Name === "falcoctl")!;
		const references = plugins.map(
			({ registry, repository: path, digest }) => `${registry}/${path}@${digest}`,
		);
		const at = (text: string) =>
			text.replace(/^\/tmp/, scratch).replace("/usr/share/falco/plugins", libraries);
		const { status, stderr } = spawnSync(
			tools!.falcoctl,
			[...Command.slice(0, -references.length).map(at), "--plain-http", ...references],
			{
				encoding: "utf8",
				env: {
					TMPDIR: scratch,
					...Object.fromEntries(Environment.map(({ Name, Value }) => [Name, at(Value)])),
				},
			},
		);
		expect([status, stderr]).toEqual([0, expect.any(String)]);
		expect(readdirSync(libraries).sort()).toEqual(["libcloudtrail.so", "libjson.so"]);
	});
});

/** An entry of an index, with the digest of what was pushed. */
interface Plugin {
	readonly name: string;
	readonly type: string;
	readonly registry: string;
	readonly repository: string;
	readonly digest: string;
}
interface Manifest {
	readonly config: { readonly mediaType: string; readonly digest: string };
	readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
}
interface Container {
	readonly Name: string;
	readonly Command: readonly string[];
	readonly Environment: readonly { readonly Name: string; readonly Value: string }[];
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const engine = (version: string) => [{ name: "engine_version_semver", version }];

async function get(path: string, accept = "*/*"): Promise<unknown> {
	const response = await fetch(`http://${host}/v2/openclaw/${path}`, { headers: { accept } });
	expect([path, response.status]).toEqual([path, 200]);
	return await response.json();
}

function emptyDirectory(name: string): string {
	const directory = join(place, name);
	mkdirSync(directory);
	return directory;
}

/** With a home and an index of its own: nothing outside this machine is asked. */
function falcoctl(...args: readonly string[]) {
	return spawnSync(tools!.falcoctl, [...settings(), ...args], { encoding: "utf8", env: env() });
}

/** While this process answers requests. */
async function falcoctlMeanwhile(...args: readonly string[]) {
	const child = spawn(tools!.falcoctl, [...settings(), ...args], { env: env() });
	let output = "";
	for (const stream of [child.stdout, child.stderr])
		stream.on("data", (part: Buffer) => {
			output += part.toString();
		});
	const [status] = (await once(child, "close")) as [number | null];
	return { status, output };
}

const settings = () => ["--config", join(place, "falcoctl.yaml")];
const env = () => ({
	HOME: place,
	PATH: process.env.PATH,
	FALCOCTL_INDEXES: `openclaw,file://${join(place, "index.yaml")}`,
});

/** A file with a plugin's name. */
function pushPlugin(name: string, version: string): Plugin {
	const library = join(place, `lib${name}.so`);
	const archive = join(place, `${name}.tar.gz`);
	writeFileSync(library, name);
	expect(spawnSync("tar", ["-czf", archive, "-C", place, basename(library)]).status).toBe(0);
	const { status, stdout } = falcoctl(
		...["registry", "push", "--type", "plugin", "--version", version, "--plain-http"],
		...["--platform", `linux/${process.arch === "x64" ? "amd64" : process.arch}`],
		...["--log-format", "json", "--name", name, `${repository}/${name}:${version}`, archive],
	);
	expect([name, status]).toEqual([name, 0]);
	const [, digest = ""] = /"digest":"(sha256:[0-9a-f]{64})"/.exec(stdout) ?? [];
	return { name, type: "plugin", registry: host, repository: `openclaw/${name}`, digest };
}

/** Where there is an engine. CI has none (decision 27). */
function loadWithFalco(directory: string): void {
	const falco = findFalco();
	const plugins = findPlugins();
	const hasPlugins = plugins.cloudtrail !== undefined && plugins.json !== undefined;
	if (falco === undefined)
		return console.warn(
			"The installed rules are NOT loaded: there is no Falco here; name it with FALCO",
		);
	for (const kind of hasPlugins ? (["syscall", "cloudtrail"] as const) : (["syscall"] as const)) {
		const rules = [join(directory, basename(RULES_FILES[kind]))];
		const records = kind === "cloudtrail" ? { records: directory } : {};
		expect(validate({ falco, plugins, directory, rules, ...records })).toEqual([]);
	}
}
