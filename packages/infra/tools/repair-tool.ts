/**
 * `pnpm infra:repair NAME`: the sidecar's own `verify`, and with `--after` its `repair`, on one
 * user's log, in a session of the repairer's role that reaches only this log.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { encodeUserId } from "../../sidecar/src/agentcore/namespace-code.ts";
import { repairNamespace } from "./session.ts";
import {
	addRoleOptions,
	Command,
	enter,
	type Io,
	open,
	type RoleOptions,
	runTool,
} from "./tool.ts";

const SIDECAR = fileURLToPath(new URL("../../sidecar/bin/openclaw-sidecar.mjs", import.meta.url));

interface RepairOptions extends RoleOptions {
	readonly after?: string;
	readonly yes?: boolean;
	readonly copyTo?: string;
}

export async function runRepairTool(argv: readonly string[], io: Io): Promise<number> {
	let status = 0;
	const program = addRoleOptions(
		new Command("infra:repair").description(
			"Removes garbage after the newest good commit of a user's log. Without --after, shows what is wrong. Needs the repairer's role.",
		),
	)
		.argument("<NAME>", "The person.")
		.option("--after <SEQ>", "The newest commit to keep.")
		.option("--yes", "Remove the objects.")
		.option("--copy-to <DIR>", "Directory for copies of what is removed.")
		.action(async (name: string, options: RepairOptions) => {
			const opened = await open(options);
			const { bucket } = opened.outputs;
			const namespace = encodeUserId(name);
			const credentials = await enter(
				opened,
				"repairerRole",
				(partition) => repairNamespace(partition, bucket, namespace),
				options,
				io,
			);
			const { after, yes, copyTo, json } = options;
			const args = [
				...(after === undefined ? ["verify"] : ["repair", "--after", after]),
				...(yes === true && after !== undefined ? ["--yes"] : []),
				...(copyTo !== undefined && after !== undefined ? ["--copy-to", copyTo] : []),
				...(json === true ? ["--json"] : []),
			];
			const child = spawn(
				process.execPath,
				[
					SIDECAR,
					...args,
					...["--store", `s3://${bucket}`, "--namespace", namespace],
					...["--region", opened.region],
				],
				{
					stdio: ["ignore", "pipe", "pipe"],
					env: {
						...process.env,
						...(credentials && {
							AWS_PROFILE: undefined,
							AWS_ACCESS_KEY_ID: credentials.accessKeyId,
							AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
							AWS_SESSION_TOKEN: credentials.sessionToken,
						}),
					},
				},
			);
			for (const [stream, write] of [
				[child.stdout, io.out],
				[child.stderr, io.err],
			] as const)
				stream.setEncoding("utf8").on("data", (text: string) => write(text.trimEnd()));
			[status] = (await once(child, "close")) as [number];
		});
	const own = await runTool(program, argv, io);
	return own === 0 ? status : own;
}
