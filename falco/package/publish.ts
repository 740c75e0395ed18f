/**
 * `node falco/package/publish.ts REPOSITORY` pushes each rules file to an OCI registry as an artifact of
 * falcoctl, and writes what its users need: an index, checksums, and a reference by digest for each.
 *
 * falcoctl reads the engine that an artifact requires, and the plugins that it depends on, from the
 * rules file itself.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { KINDS, type Kind, RULES_FILES } from "../test/driver/places.ts";

const USAGE = `usage: node falco/package/publish.ts REPOSITORY [--out DIRECTORY] [--plain-http]

REPOSITORY is a registry and a path, such as registry.example/security/openclaw. Log in first with
\`falcoctl registry auth basic\`, or with docker. FALCOCTL names a falcoctl that is not in the PATH.`;

const NAMES: Readonly<Record<Kind, string>> = {
	syscall: "openclaw-rules",
	container: "openclaw-container-rules",
	cloudtrail: "openclaw-cloudtrail-rules",
};
const DESCRIPTIONS: Readonly<Record<Kind, string>> = {
	syscall: "OpenClaw and its sidecar on a host, without a plugin",
	container: "OpenClaw's container, of any user's processes",
	cloudtrail: "The data of OpenClaw's users in S3",
};
const SIDECAR = new URL("../../packages/sidecar/package.json", import.meta.url);

/** The rules have the version of the release. */
export const VERSION = (JSON.parse(readFileSync(SIDECAR, "utf8")) as { readonly version: string })
	.version;

export interface Published {
	readonly name: string;
	/** With the digest of its manifest. */
	readonly reference: string;
}

/** @throws Error with the last line of falcoctl */
export function publish(
	repository: string,
	{ out, isPlainHttp = false }: { readonly out: string; readonly isPlainHttp?: boolean },
): readonly Published[] {
	const published = KINDS.map((kind) => {
		const reference = `${repository}/${NAMES[kind]}`;
		const digest = push(kind, reference, isPlainHttp);
		return { name: NAMES[kind], reference: `${reference}@${digest}` };
	});
	mkdirSync(out, { recursive: true });
	writeFileSync(join(out, "index.yaml"), stringify(indexOf(repository)));
	writeFileSync(join(out, "SHA256SUMS"), sums());
	return published;
}

/** @returns the digest of the manifest */
function push(kind: Kind, reference: string, isPlainHttp: boolean): string {
	const args = [
		...["registry", "push", "--type", "rulesfile", "--name", NAMES[kind], "--version", VERSION],
		...["--add-floating-tags", "--log-format", "json", ...(isPlainHttp ? ["--plain-http"] : [])],
		...[`${reference}:${VERSION}`, RULES_FILES[kind]],
	];
	const falcoctl = process.env.FALCOCTL ?? "falcoctl";
	const { status, stdout, stderr, error } = spawnSync(falcoctl, args, { encoding: "utf8" });
	if (error !== undefined)
		throw new Error(
			`${falcoctl} cannot be run (${error.message}): install falcoctl, or set FALCOCTL`,
		);
	const [, digest] = /"digest":"(sha256:[0-9a-f]{64})"/.exec(stdout) ?? [];
	if (status !== 0 || digest === undefined)
		throw new Error(`${reference}: ${(stderr || stdout).trim().split("\n").at(-1)}`);
	return digest;
}

/** An index of falcoctl: by name, and with the plugins of its own index, users get all they need. */
export function indexOf(repository: string): readonly object[] {
	const [registry = "", ...path] = repository.split("/");
	return KINDS.map((kind) => ({
		name: NAMES[kind],
		type: "rulesfile",
		registry,
		repository: [...path, NAMES[kind]].join("/"),
		description: DESCRIPTIONS[kind],
		license: "Apache-2.0",
		keywords: ["openclaw"],
	}));
}

/** Of the installed files, for `sha256sum --check`. */
function sums(): string {
	return KINDS.map((kind) => {
		const sum = createHash("sha256").update(readFileSync(RULES_FILES[kind])).digest("hex");
		return `${sum}  ${basename(RULES_FILES[kind])}\n`;
	}).join("");
}

function main(): void {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			out: { type: "string", default: "falco-artifacts" },
			"plain-http": { type: "boolean", default: false },
			help: { type: "boolean", default: false },
		},
	});
	const [repository, ...others] = positionals;
	if (values.help || repository === undefined || others.length > 0 || !repository.includes("/")) {
		console.error(USAGE);
		process.exitCode = values.help ? 0 : 2;
		return;
	}
	try {
		const options = { out: values.out, isPlainHttp: values["plain-http"] };
		for (const { reference } of publish(repository, options)) console.log(reference);
	} catch (error) {
		console.error((error as Error).message);
		process.exitCode = 1;
	}
}

if (import.meta.main) main();
