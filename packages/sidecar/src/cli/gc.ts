import { SidecarError } from "../errors.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, ranges } from "./format.ts";
import { POLICY_OPTIONS, policyFlags } from "./policy.ts";

export const gc: Command = {
	name: "gc",
	summary: "Delete history that is past retention. Safe while writers run.",
	notes: [
		"Keeps the newest commit with all it needs, and everything younger than a day. Needs credentials that may delete.",
		"Deletes a pack at least a day after the run that found it unneeded, so run it daily. Exit status 5 if a retained commit cannot",
		"be read; nothing older is then deleted.",
	],
	options: [
		{ flags: "--dry-run", description: "Only show what would be deleted." },
		{
			flags: "--all-namespaces",
			description:
				"Process all namespaces of the store, instead of --namespace. With --json, one line each.",
		},
		...POLICY_OPTIONS,
	],
	async run({ config, logger, out }, _args, options) {
		const library = await import("../library/retain.ts");
		const how = { ...policyFlags(options), dryRun: options.dryRun === true, logger };
		const names =
			options.allNamespaces === true
				? library.namespaces({ settings: config })
				: [config.namespace];
		let failure: SidecarError | undefined;
		for await (const namespace of names) {
			try {
				const report = await library.retain({ settings: { ...config, namespace }, ...how });
				failure ??= report.problem?.error;
				if (config.json) await out.json({ namespace, ...forProgram(report) });
				else for (const line of shown(namespace, report)) await out.line(line);
			} catch (error) {
				// One user's log must not block retention of the others.
				if (options.allNamespaces !== true || !(error instanceof SidecarError)) throw error;
				failure ??= error;
				if (config.json)
					await out.json({ namespace, error: { code: error.code, message: error.message } });
				else await out.line(`${namespace}: error [${error.code}] ${error.message}`);
			}
			if (options.allNamespaces === true) await out.flush();
		}
		return failure ?? 0;
	},
};

type Report = Awaited<ReturnType<typeof import("../library/retain.ts").retain>>;

function shown(
	namespace: string,
	{
		dryRun,
		newestSeq,
		kept,
		remnants,
		sweptSeqs,
		sweptCommits,
		packs,
		problem,
		unknownKeys,
	}: Report,
): string[] {
	const sum = ({ count: number, bytes }: Report["kept"], noun: string) =>
		`${count(number, noun)}, ${humanBytes(bytes)}`;
	if (newestSeq === 0) return [`${namespace}: the log is empty, nothing to delete`];
	return [
		`${namespace}: the newest commit is ${newestSeq}`,
		`kept       ${sum(kept, "commit")}; ${sum(packs.kept, "pack")}`,
		...(remnants.count > 0
			? [
					`left       ${sum(remnants, "expired commit")}: their content is still needed, or they are too young`,
				]
			: []),
		`${dryRun ? "to delete " : "deleted   "} ${sum(sweptCommits, "commit")}${sweptSeqs.length > 0 ? ` (${ranges(sweptSeqs)})` : ""}; ${sum(packs.swept, "pack")}`,
		...(packs.condemned.count > 0
			? [`condemned  ${sum(packs.condemned, "pack")}: deleted by a run at least a day later`]
			: []),
		...(problem === undefined
			? []
			: [`unreadable commit ${problem.seq}: nothing stored before it is deleted`]),
		...unknownKeys.map((key) => `unknown    ${key}: left alone`),
	];
}

function forProgram({ problem, storeTimeMs, ...report }: Report): object {
	return {
		...report,
		storeTime: new Date(storeTimeMs).toISOString(),
		problem:
			problem === undefined
				? null
				: { seq: problem.seq, code: problem.error.code, message: problem.error.message },
	};
}
