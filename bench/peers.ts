/**
 * Other tools that can restore a workspace, each with its best documented settings. They are never
 * part of the repository. They are built or installed once into the ignored `.cache/bench`, from
 * the Go module proxy and PyPI. Unavailable ones are skipped and named.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CACHE } from "./cache.ts";
import type { Lab } from "./lab.ts";
import { type Command, measure } from "./processes.ts";

const BIN = join(CACHE, "bin");
const VENV = join(CACHE, "venv");

/** An available peer, with a workload in the store in its preferred layout. */
export interface Ready {
	readonly peer: Peer;
	/** Restores into `directory`, which does not exist yet. */
	restore(directory: string): Command;
}

export interface Peer {
	readonly name: string;
	/** Version and settings, readable. */
	readonly title: string;
	/**
	 * Transfers one object at a time and is slow, so it is measured once, and only on small
	 * workloads.
	 */
	readonly isSerial?: true;
	/** Installs it unless it is there. @throws with the reason if it is not available */
	obtain(): void;
	readonly howToGet: string;
	/** Uploads the workload. */
	prepare(lab: Lab, workload: string): Promise<(directory: string) => Command>;
}

const RCLONE = "v1.76.0";
const S5CMD = "v2.3.0";
const RESTIC = "v0.18.1";
const BOTO3 = "1.44.5";
const AWSCLI = "1.46.3";

export const FLOOR = "curl | tar";

export const PEERS: readonly Peer[] = [
	{
		name: FLOOR,
		title:
			"curl, up to 16 parts of one .tar.zst (level 3) at once, piped in order to `tar -x --zstd`: the floor",
		obtain: () => {
			for (const program of ["curl", "tar", "zstd", "bash"])
				if (spawnSync(program, ["--version"]).status !== 0)
					throw new Error(`${program} is missing`);
		},
		howToGet: "install curl 7.75 or later, tar and zstd",
		prepare: async (lab, workload) => {
			const { directory } = await lab.workload(workload);
			const packed = lab.fresh("packed.tar.zst");
			execFileSync("bash", ["-c", 'tar -C "$0" -cf - . | zstd -3 -q -o "$1"', directory, packed]);
			const parts = Math.min(16, Math.max(1, Math.ceil(statSync(packed).size / (1 << 20))));
			await lab.store.putParts(packed, parts, `packed-${workload}`);
			rmSync(packed);
			const url = `${lab.endpoint}/${lab.store.bucket}/packed-${workload}`;
			return (to) => ({
				argv: ["bash", "-c", PARALLEL_CURL, url, to, String(parts)],
				env: lab.env(),
				name: FLOOR,
			});
		},
	},
	{
		name: "s5cmd",
		title: `s5cmd ${S5CMD}: 256 workers, its default`,
		obtain: () => buildGo("s5cmd", "github.com/peak/s5cmd/v2", S5CMD, "github.com/peak/s5cmd/v2"),
		howToGet: `go install github.com/peak/s5cmd/v2@${S5CMD}`,
		prepare: async (lab, workload) => {
			const from = `s3://${lab.store.bucket}/${await objects(lab, workload)}/*`;
			return (to) => ({
				argv: [
					join(BIN, "s5cmd"),
					"--endpoint-url",
					lab.endpoint,
					"--log",
					"error",
					"cp",
					from,
					`${to}/`,
				],
				env: lab.env(),
				name: "s5cmd",
			});
		},
	},
	{
		name: "rclone",
		title: `rclone ${RCLONE}: --transfers 64 --checkers 64 --fast-list --use-server-modtime`,
		obtain: () => buildGo("rclone", "github.com/rclone/rclone", RCLONE, "github.com/rclone/rclone"),
		howToGet: `go install github.com/rclone/rclone@${RCLONE}`,
		prepare: async (lab, workload) => {
			const from = `bench:${lab.store.bucket}/${await objects(lab, workload)}`;
			const env = {
				...lab.env(),
				RCLONE_CONFIG: "",
				RCLONE_CONFIG_BENCH_TYPE: "s3",
				RCLONE_CONFIG_BENCH_PROVIDER: "Minio",
				RCLONE_CONFIG_BENCH_ENV_AUTH: "true",
				RCLONE_CONFIG_BENCH_ENDPOINT: lab.endpoint,
				RCLONE_CONFIG_BENCH_REGION: "us-east-1",
			};
			const settings = [
				"--transfers",
				"64",
				"--checkers",
				"64",
				"--fast-list",
				"--use-server-modtime",
				"--quiet",
			];
			return (to) => ({
				argv: [join(BIN, "rclone"), "copy", from, to, ...settings],
				env: { ...env, HOME: lab.root },
				name: "rclone",
			});
		},
	},
	{
		name: "restic",
		title: `restic ${RESTIC}: -o s3.connections=32, a new cache`,
		obtain: () =>
			buildGo("restic", "github.com/restic/restic", RESTIC, "github.com/restic/restic/cmd/restic"),
		howToGet: `go install github.com/restic/restic/cmd/restic@${RESTIC}`,
		prepare: async (lab, workload) => {
			const { directory } = await lab.workload(workload);
			const run = (endpoint: string, args: readonly string[]): Command => ({
				argv: [
					join(BIN, "restic"),
					"--repo",
					`s3:${endpoint}/${lab.store.bucket}/restic-${workload}`,
					"-o",
					"s3.connections=32",
					"--quiet",
					...args,
				],
				env: { ...lab.env(), RESTIC_PASSWORD: "bench" },
				name: "restic",
			});
			await measure(run(lab.directEndpoint, ["init", "--cache-dir", lab.fresh("cache")]));
			await measure(
				run(lab.directEndpoint, ["backup", directory, "--cache-dir", lab.fresh("cache")]),
			);
			return (to) =>
				run(lab.endpoint, [
					"restore",
					`latest:${directory}`,
					"--target",
					to,
					"--cache-dir",
					lab.fresh("cache"),
				]);
		},
	},
	{
		name: "aws s3 sync",
		title: `aws-cli ${AWSCLI}: max_concurrent_requests = 64, max_queue_size = 10000`,
		obtain: () => installPython(),
		howToGet: `python3 -m venv .cache/bench/venv && .cache/bench/venv/bin/pip install awscli==${AWSCLI} boto3==${BOTO3}`,
		prepare: async (lab, workload) => {
			const from = `s3://${lab.store.bucket}/${await objects(lab, workload)}`;
			const config = lab.fresh("config");
			writeFileSync(
				config,
				"[default]\ns3 =\n  max_concurrent_requests = 64\n  max_queue_size = 10000\n  addressing_style = path\n",
			);
			const env = { ...lab.env(), AWS_CONFIG_FILE: config, HOME: lab.root };
			return (to) => ({
				argv: [join(VENV, "bin/aws"), "s3", "sync", from, to, "--only-show-errors"],
				env,
				name: "aws s3 sync",
			});
		},
	},
	{
		name: "serial boto3",
		title: `boto3 ${BOTO3}: list, then download_file one after the other`,
		isSerial: true,
		obtain: () => installPython(),
		howToGet: `python3 -m venv .cache/bench/venv && .cache/bench/venv/bin/pip install awscli==${AWSCLI} boto3==${BOTO3}`,
		prepare: async (lab, workload) => {
			const prefix = `${await objects(lab, workload)}/`;
			const env = { ...lab.env(), HOME: lab.root };
			return (to) => ({
				argv: [join(VENV, "bin/python"), "-c", SERIAL_LOOP, lab.store.bucket, prefix, to],
				env,
				name: "serial boto3",
			});
		},
	},
];

/**
 * Fetches the parts in parallel into memory and passes them to tar in order. $0 URL, $1 target, $2
 * parts
 */
const PARALLEL_CURL = `
set -eu -o pipefail
mkdir -p "$1"
parts=$(mktemp -d /dev/shm/openclaw-bench.XXXXXX)
trap 'rm -rf "$parts"' EXIT
pids=()
for ((i = 0; i < $2; i++)); do
	curl --silent --fail --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --aws-sigv4 aws:amz:us-east-1:s3 --output "$parts/$i" "$0/$i" &
	pids+=($!)
done
mkfifo "$parts/all"
tar -x --zstd -f "$parts/all" -C "$1" &
tar=$!
exec 3>"$parts/all"
for ((i = 0; i < $2; i++)); do
	wait "\${pids[$i]}"
	cat "$parts/$i" >&3
	rm "$parts/$i"
done
exec 3>&-
wait "$tar"
`;

const SERIAL_LOOP = `
import os, sys, boto3
bucket, prefix, target = sys.argv[1:4]
s3 = boto3.client("s3")
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
    for item in page.get("Contents", []):
        path = os.path.join(target, item["Key"][len(prefix):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file(bucket, item["Key"], path)
`;

const uploaded = new Map<string, Promise<void>>();

/**
 * The workload as one object per file, uploaded once for all peers that need it. @returns their
 * prefix
 */
async function objects(lab: Lab, workload: string): Promise<string> {
	const prefix = `files-${workload}`;
	const { directory } = await lab.workload(workload);
	const upload = uploaded.get(prefix) ?? lab.store.putFiles(directory, prefix);
	uploaded.set(prefix, upload);
	await upload;
	return prefix;
}

/** Uses the standard Go client, from a module of its own that pins the version. */
function buildGo(name: string, module: string, version: string, main: string): void {
	const program = join(BIN, name);
	if (existsSync(program)) return;
	mkdirSync(BIN, { recursive: true });
	const directory = mkdtempSync(join(CACHE, "build-"));
	try {
		writeFileSync(
			join(directory, "go.mod"),
			`module bench.invalid/peers\n\ngo 1.24\n\nrequire ${module} ${version}\n`,
		);
		console.log(`building ${name} ${version}: once, some minutes`);
		const built = join(directory, name);
		const { status, stderr, error } = spawnSync(
			"go",
			["build", "-trimpath", "-ldflags=-s -w", "-o", built, main],
			{
				cwd: directory,
				env: { ...process.env, GOFLAGS: "-mod=mod", GOWORK: "off", CGO_ENABLED: "0" },
				encoding: "utf8",
			},
		);
		if (status !== 0) throw new Error((error?.message ?? stderr).trim().split("\n").at(-1));
		renameSync(built, program);
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

function installPython(): void {
	if (existsSync(join(VENV, "bin/aws"))) return;
	console.log("installing awscli and boto3: once, about a minute");
	for (const argv of [
		["python3", "-m", "venv", VENV],
		[join(VENV, "bin/pip"), "install", "--quiet", `awscli==${AWSCLI}`, `boto3==${BOTO3}`],
	] as const) {
		const [file, ...args] = argv as readonly [string, ...string[]];
		const { status, stderr, error } = spawnSync(file, args, { encoding: "utf8" });
		if (status === 0) continue;
		rmSync(VENV, { recursive: true, force: true });
		throw new Error((error?.message ?? stderr).trim().split("\n").at(-1));
	}
}

/** The available peers; others are skipped with a message. */
export function obtainPeers(wanted: boolean): {
	readonly peers: readonly Peer[];
	readonly skipped: readonly string[];
} {
	const peers: Peer[] = [];
	const skipped: string[] = [];
	for (const peer of PEERS) {
		// The floor is not a peer: budgets are relative to it.
		if (!wanted && peer.name !== FLOOR) continue;
		try {
			peer.obtain();
			peers.push(peer);
		} catch (error) {
			skipped.push(
				`${peer.name} is skipped (${(error as Error).message}); to have it: ${peer.howToGet}`,
			);
		}
	}
	return { peers, skipped };
}
