/** The files of examples/falco name what falco/ has, and are well-formed. None of them is deployed here. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { RULES_FILES } from "../test/driver/places.ts";
import { indexOf, VERSION } from "./publish.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples/falco");
const CONFIG = join(import.meta.dirname, "../config");
const read = (name: string) => readFileSync(join(EXAMPLES, name), "utf8");

interface Item {
	readonly rule?: string;
	readonly list?: string;
	readonly macro?: string;
	readonly override?: object;
}
const nameOf = ({ rule, list, macro }: Item) => rule ?? list ?? macro;
const itemsOf = (path: string) => parse(readFileSync(path, "utf8")) as readonly Item[];

interface Values {
	readonly falco: Readonly<Record<string, unknown>> & { readonly rules_files: readonly string[] };
	readonly falcoctl: {
		readonly config: {
			readonly artifact: { readonly install: { readonly refs: readonly string[] } };
		};
	};
	readonly customRules: Readonly<Record<string, string>>;
}
const artifacts = (indexOf("registry.example/security/openclaw") as { repository: string }[]).map(
	({ repository }) => `registry.example/${repository}:${VERSION}`,
);

describe.each([
	["helm-values.yaml", ["syscall", "container"]],
	["helm-cloudtrail-values.yaml", ["cloudtrail"]],
] as const)("%s", (name, kinds) => {
	const { falco, falcoctl, customRules } = parse(read(name)) as Values;
	const files = kinds.map((kind) => RULES_FILES[kind]);

	test("installs artifacts that are published, and loads their files before the site's", () => {
		const ours = falcoctl.config.artifact.install.refs.filter((ref) => ref.includes("openclaw"));
		expect(ours).toHaveLength(files.length);
		expect(artifacts).toEqual(expect.arrayContaining(ours));
		expect(falco.rules_files.filter((path) => !path.endsWith("/falco_rules.yaml"))).toEqual([
			...files.map((path) => `/etc/falco/${basename(path)}`),
			"/etc/falco/rules.d",
		]);
	});

	test("overrides only what these files define", () => {
		const site = Object.values(customRules).flatMap((text) => parse(text) as readonly Item[]);
		const defined = files.flatMap(itemsOf).map(nameOf);
		expect(site.length).toBeGreaterThan(0);
		expect(site.filter((item) => !defined.includes(nameOf(item)))).toEqual([]);
		expect(site.every(({ override }) => override !== undefined)).toBe(true);
	});
});

test("helm-cloudtrail-values.yaml has the plugins of falco_cloudtrail.yaml, and fills every list", () => {
	const { falco, customRules } = parse(read("helm-cloudtrail-values.yaml")) as Values;
	const config = parse(readFileSync(join(CONFIG, "falco_cloudtrail.yaml"), "utf8"));
	const keys = ["plugins", "load_plugins", "plugins_hostinfo", "rule_matching", "priority"];
	for (const key of keys) expect([key, falco[key]]).toEqual([key, config[key]]);
	const lists = (items: readonly Item[]) => items.flatMap(({ list }) => list ?? []).sort();
	const site = Object.values(customRules).flatMap((text) => parse(text) as readonly Item[]);
	expect(lists(site)).toEqual(lists(itemsOf(RULES_FILES.cloudtrail)));
});

describe("ecs-task-definition.json", () => {
	interface Container {
		readonly name: string;
		readonly image: string;
		readonly command?: readonly string[];
		readonly dependsOn?: readonly { readonly containerName: string }[];
		readonly mountPoints?: readonly { readonly sourceVolume: string }[];
	}
	const task = JSON.parse(read("ecs-task-definition.json")) as {
		readonly pidMode: string;
		readonly volumes: readonly { readonly name: string }[];
		readonly containerDefinitions: readonly Container[];
	};
	const container = (name: string) => task.containerDefinitions.find((one) => one.name === name)!;

	test("mounts what it declares, and starts the engine after its rules and its way to alert", () => {
		const mounted = task.containerDefinitions.flatMap(({ mountPoints = [] }) =>
			mountPoints.map(({ sourceVolume }) => sourceVolume),
		);
		expect(new Set(mounted)).toEqual(new Set(task.volumes.map(({ name }) => name)));
		expect(task.pidMode).toBe("host");
		const before = container("falco").dependsOn?.map(({ containerName }) => containerName);
		expect(before).toEqual(["falcoctl", "falcosidekick"]);
	});

	test("installs artifacts that are published, and loads each file, the site's last", () => {
		const installed = container("falcoctl").command!.filter((word) => word.includes(":"));
		expect(artifacts).toEqual(expect.arrayContaining(installed));
		const loaded = [...container("falco").command![0]!.matchAll(/-r \/rules\/(\S+)/g)].map(
			([, file]) => file,
		);
		expect(loaded).toEqual([
			basename(RULES_FILES.syscall),
			basename(RULES_FILES.container),
			"openclaw_local.yaml",
		]);
		expect(installed).toHaveLength(loaded.length - 1);
	});
});

const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

test.skipIf(!hasSystemd)("systemd accepts openclaw-falco.service", () => {
	const place = mkdtempSync(join(tmpdir(), "falco-examples-"));
	try {
		const unit = join(place, "openclaw-falco.service");
		writeFileSync(unit, read("openclaw-falco.service").replaceAll("/usr/bin/falco", "/bin/true"));
		const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
		expect(stderr).toBe("");
	} finally {
		rmSync(place, { recursive: true });
	}
});

test("every file is tested here", () => {
	expect(readdirSync(EXAMPLES).sort()).toEqual([
		"ecs-task-definition.json",
		"helm-cloudtrail-values.yaml",
		"helm-values.yaml",
		"openclaw-falco.service",
	]);
});
