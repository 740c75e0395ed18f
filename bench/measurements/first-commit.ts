import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { CACHE } from "../cache.ts";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { type Command, type Measured, measure } from "../processes.ts";
import type { Line, Result } from "../results.ts";
import { median, medianRatio, megabytes, seconds } from "../statistics.ts";

/** From the start of the process to its end, when everything is in the store. */
const OURS = "openclaw-sidecar flush";
/** `first commit of W1 <= 0.5 x restic backup` */
const RESTIC_FACTOR = 0.5;
const MAX_PEAK_BYTES = 300e6;
/** `W5: at least 0.9 of what the link carries` */
const LINK_SHARE = 0.9;
/** Connections that an upload opens at most; each has the rate of the link. */
const CONNECTIONS = 3;

interface Uploader {
	readonly name: string;
	/** A new repository or prefix in each round. */
	prepare(lab: Lab, directory: string, round: number): Promise<Command>;
}

const PEERS: readonly (Uploader & { readonly program: string })[] = [
	{
		name: "restic backup",
		program: "restic",
		prepare: async (lab, directory, round) => {
			const cache = lab.fresh("cache");
			const restic = (endpoint: string, ...args: readonly string[]): Command => ({
				argv: [
					programOf("restic") as string,
					"--repo",
					`s3:${endpoint}/${lab.store.bucket}/restic-up-${lab.fresh("repo").replaceAll("/", "-")}-${round}`,
					"-o",
					"s3.connections=32",
					"--quiet",
					"--cache-dir",
					cache,
					...args,
				],
				env: { ...lab.env(), RESTIC_PASSWORD: "bench" },
				name: "restic",
			});
			const backup = restic(lab.endpoint, "backup", directory);
			const repo = (backup.argv[2] as string).replace(lab.endpoint, lab.directEndpoint);
			const init = restic(lab.directEndpoint, "init");
			await measure({ ...init, argv: init.argv.with(2, repo) });
			return backup;
		},
	},
	{
		name: "rclone copy",
		program: "rclone",
		prepare: async (lab, directory, round) => ({
			argv: [
				programOf("rclone") as string,
				"copy",
				directory,
				`bench:${lab.store.bucket}/rclone-up-${lab.fresh("prefix").replaceAll("/", "-")}-${round}`,
				...["--transfers", "64", "--checkers", "64", "--fast-list", "--quiet"],
			],
			env: {
				...lab.env(),
				HOME: lab.root,
				RCLONE_CONFIG: "",
				RCLONE_CONFIG_BENCH_TYPE: "s3",
				RCLONE_CONFIG_BENCH_PROVIDER: "Minio",
				RCLONE_CONFIG_BENCH_ENV_AUTH: "true",
				RCLONE_CONFIG_BENCH_ENDPOINT: lab.endpoint,
				RCLONE_CONFIG_BENCH_REGION: "us-east-1",
			},
			name: "rclone",
		}),
	},
	{
		name: "s5cmd cp",
		program: "s5cmd",
		prepare: async (lab, directory, round) => ({
			argv: [
				programOf("s5cmd") as string,
				...["--endpoint-url", lab.endpoint, "--log", "error", "cp", `${directory}/`],
				`s3://${lab.store.bucket}/s5cmd-up-${lab.fresh("prefix").replaceAll("/", "-")}-${round}/`,
			],
			env: lab.env(),
			name: "s5cmd",
		}),
	},
];

const ours: Uploader = {
	name: OURS,
	prepare: async (lab, directory, round) => {
		const namespace = `first-${lab.fresh("namespace").replaceAll(/\W/g, "-")}-${round}`;
		return lab.tool.command("flush", lab.place(directory, namespace));
	},
};

export const firstCommits: readonly Measurement[] = ["W1", "W5"].map((workload) => ({
	name: workload === "W1" ? "first-commit" : "first-commit-W5",
	title: `First commit of ${workload}: every file is new`,
	run: async (lab, peers) => await measureUploads(lab, peers.length > 1, workload),
}));

async function measureUploads(lab: Lab, withPeers: boolean, workload: string): Promise<Result> {
	const { directory, bytes } = await lab.workload(workload);
	const peers = withPeers ? PEERS.filter(({ program }) => programOf(program) !== undefined) : [];
	const uploaders = [ours, ...peers];
	const samples = new Map<string, Measured[]>(uploaders.map(({ name }) => [name, []]));
	for (let round = 0; round < lab.options.rounds; round++) {
		for (const each of uploaders) {
			const measured = await measure(await each.prepare(lab, directory, round));
			samples.get(each.name)?.push(measured);
			console.log(`  round ${round + 1} ${each.name}: ${seconds(measured.wallMs)}`);
		}
	}
	const { result, traffic } = await lab.counted(
		async () =>
			await measure(
				lab.tool.command(
					"flush",
					lab.place(directory, `counted-${workload}`, "plain", lab.countedEndpoint),
				),
			),
	);
	const mine = (samples.get(OURS) ?? []).map(({ wallMs }) => wallMs);
	const peaks = [result, ...(samples.get(OURS) ?? [])].map(({ peakBytes }) => peakBytes);
	const peak = Math.max(...peaks);
	return {
		series: [...samples].map(([contestant, each]) => ({
			contestant,
			cache: "warm",
			samples: each.map(({ wallMs, cpuMs, peakBytes }) => ({
				...{ wallMs, cpuMs, peakBytes },
				syncMs: 0,
			})),
		})),
		lines: [
			...(workload === "W1"
				? [againstRestic(mine, samples.get("restic backup"))]
				: [againstLink(mine, bytes, lab)]),
			{
				what: `first commit of ${workload}: peak memory`,
				budget: `<= ${megabytes(MAX_PEAK_BYTES)}`,
				measured: megabytes(peak),
				ratio: peak / MAX_PEAK_BYTES,
				isMet: peak <= MAX_PEAK_BYTES,
			},
		],
		notes: [
			`requests of the first commit of ${workload}: ${Object.entries(traffic.requests)
				.map(([name, count]) => `${count} ${name}`)
				.join(", ")}; ${megabytes(traffic.sentBytes)} sent of ${megabytes(bytes)}`,
		],
	};
}

function againstRestic(mine: readonly number[], restic: readonly Measured[] | undefined): Line {
	const theirs = (restic ?? []).map(({ wallMs }) => wallMs);
	const ratio = theirs.length === 0 ? undefined : medianRatio(mine, theirs);
	return {
		what: "first commit of W1",
		budget: `<= ${RESTIC_FACTOR} x restic backup`,
		measured: `${seconds(median(mine))} / ${theirs.length === 0 ? "-" : seconds(median(theirs))}`,
		...(ratio !== undefined && { ratio }),
		isMet: ratio === undefined ? undefined : ratio <= RESTIC_FACTOR,
	};
}

function againstLink(mine: readonly number[], bytes: number, lab: Lab): Line {
	const linkMs = bytes / 1000 / (lab.options.rateMBs * CONNECTIONS);
	const share = linkMs / median(mine);
	return {
		what: "first commit of W5 (incompressible)",
		budget: `>= ${LINK_SHARE} of ${CONNECTIONS} connections of ${lab.options.rateMBs} MB/s`,
		measured: `${seconds(median(mine))} / ${seconds(linkMs)}`,
		ratio: share,
		isMet: share >= LINK_SHARE,
	};
}

/** As the bench obtained it, or the machine's own. */
function programOf(name: string): string | undefined {
	const own = join(CACHE, "bin");
	const built = existsSync(own)
		? readdirSync(own)
				.filter((each) => each === name || each.startsWith(`${name}-`))
				.sort()
				.at(-1)
		: undefined;
	if (built !== undefined) return join(own, built);
	return (process.env.PATH ?? "")
		.split(delimiter)
		.map((directory) => join(directory, name))
		.find((file) => existsSync(file));
}
