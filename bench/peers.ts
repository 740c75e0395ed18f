/**
 * Other tools that can restore a workspace, each with its best documented settings: a list of data.
 * They are never part of the repository; `origin.ts` gets them.
 */
import { join } from "node:path";
import { crate, goModule, installed, type Origin, pythonPackage } from "./origin.ts";

/** Where a peer finds a workload, and where it puts it. */
export interface Task {
	readonly program: string;
	readonly bucket: string;
	/** One object per file, or what `store` has put there. */
	readonly prefix: string;
	readonly endpoint: string;
	/** A directory that is new for each run: for caches and configuration. */
	readonly scratch: string;
}

export interface Peer {
	readonly name: string;
	readonly version: string;
	/** Its settings, readable. */
	readonly settings: string;
	/** Where these settings are documented. */
	readonly documentation: string;
	readonly origin: Origin;
	/** Takes minutes for thousands of files: only with `--slow-peers`, once, and not on large ones. */
	readonly isSlow?: true;
	/**
	 * How a workload gets into its own format: commands that run once. Without it, it reads one object
	 * per file.
	 */
	store?(task: Task, from: string): readonly (readonly string[])[];
	/** Restores `from`, a path that it stored, into `to`. */
	restore(task: Task, to: string, from: string): readonly string[];
	env?(task: Task): Readonly<Record<string, string>>;
	/** Written into `scratch`, where its commands run. */
	files?(task: Task): Readonly<Record<string, string>>;
}

/** The parallel pipe that no tool can beat by much. */
export const FLOOR = "curl | tar";

/** What `restic` and `rustic` may open at once; more than the 16 parts of the floor. */
const CONNECTIONS = "32";

const RESTIC = "v0.19.1";
const RCLONE = "v1.76.0";
const S5CMD = "v2.3.0";
const RUSTIC = "0.11.4";
const BOTO3 = "1.44.8";
const AWSCLI = "1.46.3";

const resticRepository = ({ endpoint, bucket, prefix }: Task) =>
	`s3:${endpoint}/${bucket}/${prefix}-restic`;
const restic = (task: Task, ...args: readonly string[]) => [
	task.program,
	"--repo",
	resticRepository(task),
	"-o",
	`s3.connections=${CONNECTIONS}`,
	"--quiet",
	"--cache-dir",
	task.scratch,
	...args,
];
const rustic = (task: Task, ...args: readonly string[]) => [
	task.program,
	"--no-progress",
	"--log-level",
	"warn",
	...args,
];
const awsSync = ({ program, bucket, prefix }: Task, to: string) => [
	program,
	"s3",
	"sync",
	`s3://${bucket}/${prefix}`,
	to,
	"--only-show-errors",
];
const awsSettings = "max_concurrent_requests = 64, max_queue_size = 10000";
const awsEnv = ({ scratch }: Task) => ({ AWS_CONFIG_FILE: join(scratch, "config") });
const awsFiles = () => ({
	config:
		"[default]\ns3 =\n  max_concurrent_requests = 64\n  max_queue_size = 10000\n  addressing_style = path\n",
});

export const PEERS: readonly Peer[] = [
	{
		name: "s5cmd",
		version: S5CMD,
		settings: "256 workers, its default",
		documentation: "https://github.com/peak/s5cmd#configuring-concurrency",
		origin: goModule("github.com/peak/s5cmd/v2", S5CMD, "github.com/peak/s5cmd/v2"),
		restore: ({ program, endpoint, bucket, prefix }, to) => [
			program,
			"--endpoint-url",
			endpoint,
			"--log",
			"error",
			"cp",
			`s3://${bucket}/${prefix}/*`,
			`${to}/`,
		],
	},
	{
		name: "rclone",
		version: RCLONE,
		settings: "--transfers 64 --checkers 64 --fast-list --use-server-modtime --s3-no-check-bucket",
		documentation: "https://rclone.org/s3/#reducing-costs",
		origin: goModule("github.com/rclone/rclone", RCLONE, "github.com/rclone/rclone"),
		restore: ({ program, bucket, prefix }, to) => [
			program,
			"copy",
			`bench:${bucket}/${prefix}`,
			to,
			..."--transfers 64 --checkers 64 --fast-list --use-server-modtime --s3-no-check-bucket --quiet".split(
				" ",
			),
		],
		env: ({ endpoint }) => ({
			RCLONE_CONFIG: "",
			RCLONE_CONFIG_BENCH_TYPE: "s3",
			RCLONE_CONFIG_BENCH_PROVIDER: "Minio",
			RCLONE_CONFIG_BENCH_ENV_AUTH: "true",
			RCLONE_CONFIG_BENCH_ENDPOINT: endpoint,
			RCLONE_CONFIG_BENCH_REGION: "us-east-1",
		}),
	},
	{
		name: "restic",
		version: RESTIC,
		settings: `-o s3.connections=${CONNECTIONS}, a new cache`,
		documentation:
			"https://restic.readthedocs.io/en/stable/047_tuning_backup_parameters.html#backend-connections",
		origin: goModule("github.com/restic/restic", RESTIC, "github.com/restic/restic/cmd/restic"),
		store: (task, from) => [restic(task, "init"), restic(task, "backup", from)],
		restore: (task, to, from) => restic(task, "restore", `latest:${from}`, "--target", to),
		env: () => ({ RESTIC_PASSWORD: "bench" }),
	},
	{
		name: "rustic",
		version: RUSTIC,
		settings: `opendal:s3 with connections = ${CONNECTIONS}, a new cache`,
		documentation:
			"https://github.com/rustic-rs/rustic/blob/main/config/README.md#repository-options",
		origin: crate("rustic-rs", RUSTIC, "rustic"),
		store: (task, from) => [rustic(task, "init"), rustic(task, "backup", from)],
		restore: (task, to, from) => rustic(task, "restore", `latest:${from}`, to),
		files: ({ endpoint, bucket, prefix, scratch }) => ({
			"rustic.toml": `
[repository]
repository = "opendal:s3"
password = "bench"
cache-dir = "${scratch}/cache"
[repository.options]
bucket = "${bucket}"
root = "/${prefix}-rustic"
endpoint = "${endpoint}"
region = "us-east-1"
connections = "${CONNECTIONS}"
`,
		}),
	},
	{
		name: "aws s3 sync",
		version: AWSCLI,
		settings: awsSettings,
		documentation: "https://docs.aws.amazon.com/cli/latest/topic/s3-config.html",
		origin: pythonPackage("awscli", AWSCLI, "aws"),
		isSlow: true,
		restore: awsSync,
		env: awsEnv,
		files: awsFiles,
	},
	{
		name: "aws s3 sync v2",
		version: "2, of the system",
		settings: awsSettings,
		documentation: "https://docs.aws.amazon.com/cli/latest/topic/s3-config.html",
		origin: installed(
			"aws",
			/^aws-cli\/2\./,
			"install awscli of Debian 12 or newer; AWS itself offers version 2 only as an installer, in no package registry",
		),
		isSlow: true,
		restore: awsSync,
		env: awsEnv,
		files: awsFiles,
	},
	{
		name: "serial boto3",
		version: BOTO3,
		settings: "list, then download_file one after the other: the loop that many deployments use",
		documentation: "https://docs.aws.amazon.com/boto3/latest/guide/s3-example-download-file.html",
		origin: pythonPackage("boto3", BOTO3, "python"),
		isSlow: true,
		restore: ({ program, bucket, prefix }, to) => [
			program,
			"-c",
			SERIAL_LOOP,
			bucket,
			`${prefix}/`,
			to,
		],
	},
];

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
