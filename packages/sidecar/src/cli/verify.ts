import { SidecarError } from "../errors.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import type { Ending } from "./ending.ts";
import { count, isoTime, ranges, shownPath } from "./format.ts";
import { POLICY_OPTIONS, policyFlags } from "./policy.ts";

export const verify: Command = {
	name: "verify",
	summary: "Check every object of the log; with --deep all content.",
	notes: [
		"Exit status 5 if a retained object is damaged or missing; the output names it. Pass the policy that `gc` uses, so that it",
		"expects nothing older. Writes nothing.",
	],
	options: [
		{ flags: "--deep", description: "Read all content and check every SHA-256." },
		...POLICY_OPTIONS,
	],
	async run({ config, progress, out }, _args, options) {
		const library = await import("../library/verify.ts");
		const found = await library.verify({
			settings: config,
			...policyFlags(options),
			deep: options.deep === true,
			progress,
		});
		if (config.json) await out.json(forProgram(found));
		else for (const line of shown(found)) await out.line(line);
		return endingOf(found);
	},
};

type Found = Awaited<ReturnType<typeof import("../library/verify.ts").verify>>;

function endingOf({ damaged, newestSeq, newestWholeSeq }: Found): Ending {
	if (damaged.length === 0) return 0;
	const whole =
		newestWholeSeq === 0
			? "keep the bucket as it is; no commit can be restored from it"
			: `keep the bucket as it is; \`openclaw-sidecar restore --at ${newestWholeSeq}\` restores the newest commit that is whole`;
	const isTail = newestWholeSeq > 0 && newestWholeSeq < newestSeq;
	return new SidecarError("OBJECT_CORRUPT", {
		reason: `${count(damaged.length, "object")} damaged or missing`,
		remedy: isTail
			? `${whole}, and \`openclaw-sidecar repair --after ${newestWholeSeq}\` shows what follows it`
			: whole,
	});
}

/** The rest is counted: a whole workspace may be there as plain objects. */
const SHOWN_KEYS = 20;

function shown(found: Found): string[] {
	const {
		deep,
		newestSeq,
		newestWholeSeq,
		commits,
		packs,
		checkedBytes,
		damaged,
		expiredSeqs,
		gaps,
		orphans,
		unknownKeys,
	} = found;
	const orphanBytes = orphans.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
	return [
		`checked  ${count(commits.count, "commit")}, ${humanBytes(commits.bytes)}; ${count(packs.count, "pack")}, ${humanBytes(packs.bytes)}${deep ? `; ${humanBytes(checkedBytes)} of content` : ""}`,
		...(gaps.length > 0
			? [
					`swept    ${gaps.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ")}`,
				]
			: []),
		...(expiredSeqs.length > 0
			? [
					`expired  ${ranges(expiredSeqs)}: kept only for content that is still needed; cannot be restored`,
				]
			: []),
		...(orphans.length > 0
			? [
					`unneeded ${count(orphans.length, "pack")}, ${humanBytes(orphanBytes)}: not referenced yet, or left for gc`,
				]
			: []),
		...unknownKeys
			.slice(0, SHOWN_KEYS)
			.map((key) => `unknown  ${shownPath(key)}: no release writes it`),
		...(unknownKeys.length > SHOWN_KEYS
			? [`unknown  and ${count(unknownKeys.length - SHOWN_KEYS, "more", "more")}`]
			: []),
		...damaged.map(
			({ key, seq, error }) =>
				`DAMAGED  ${shownPath(key)}${seq === undefined ? "" : `, needed by commit ${seq}`}: [${error.code}] ${error.message}`,
		),
		damaged.length === 0
			? newestSeq === 0
				? "the log is empty"
				: `all is well up to commit ${newestSeq}`
			: `${count(damaged.length, "object")} damaged; ${newestWholeSeq === 0 ? "no commit is whole" : `the newest commit that is whole is ${newestWholeSeq}`}`,
	];
}

function forProgram({ damaged, orphans, ...rest }: Found): object {
	return {
		...rest,
		damaged: damaged.map(({ key, seq, error }) => ({
			key,
			seq: seq ?? null,
			code: error.code,
			message: error.message,
		})),
		orphans: orphans.map(({ key, sizeBytes, timeMs }) => ({
			key,
			bytes: sizeBytes,
			time: isoTime(timeMs),
		})),
	};
}
