/**
 * What a round of retention takes and costs, for docs/retention-at-scale.md. A model: nobody has
 * measured it on AWS.
 *
 * It plays a round page by page, as the queue does: a page of names is listed, then all functions
 * process it, and the next page waits behind it. S3 slows them down at its limit, and the users with
 * them, so a setting should stay well below.
 */
export interface Workload {
	readonly users: number;
	/** Workspaces that are used at all; the others keep their last commits. */
	readonly activeShare: number;
	readonly atOnce: number;
}

export interface Round {
	readonly hours: number;
	readonly dollars: number;
	/** The part of the GETs that S3 takes, while a page is processed. */
	readonly shareOfS3: number;
	/** Prefixes into which S3 must have split the bucket for the users' own requests. */
	readonly partitions: number;
	/** What limits the round. */
	readonly limit: "functions" | "S3" | "listing";
}

/** Commits of a busy user: docs/deploy.md, "What it costs". */
export const COMMITS_A_DAY = 300;
export const DAYS_USED = 22 / 30;
/** The policy keeps 7 days whole, and a day's last commit for 23 days more. */
const WHOLE_DAYS = 7;
const SINGLE_DAYS = 23;
/** A commit is folded onto up to 63 others, which are read too. */
const MEAN_CHAIN = 32;

/** S3's limits for one prefix that it has split off, per second. */
export const S3_GETS = 5_500;
export const S3_PUTS = 3_500;
/** How far the busiest hour is above the mean. */
export const PEAK = 4;

/**
 * Seconds. A GET costs a function 1.7 ms of one CPU, however many are in flight: against MinIO,
 * without TLS, 520 commits took 1.0 to 1.6 ms each in six runs.
 */
const GET_S = 1 / 600;
export const LIST_S = 0.04;
const CALL_S = 0.02;
const PAGE = 1_000;

/** Dollars, us-east-1, November 2026: docs/deploy.md names the pages. */
export const PRICES = {
	get: 0.4 / 1e6,
	list: 5 / 1e6,
	functionSecond: 1.769 * 0.0000133334,
	call: 0.2 / 1e6,
	// A tenth of a batch, a receive and a delete.
	messages: 2.1 * (0.4 / 1e6),
	// Two lines for each workspace.
	logs: 1_000 * (0.5 / 1e9),
} as const;

/** GETs and LISTs for one workspace. */
export function requestsOf(isActive: boolean): { readonly gets: number; readonly lists: number } {
	const gets = isActive
		? Math.round(COMMITS_A_DAY * WHOLE_DAYS * DAYS_USED + SINGLE_DAYS * DAYS_USED * MEAN_CHAIN)
		: MEAN_CHAIN;
	// The log's pages, packs, records of earlier runs, tags, and tags again if something is deleted;
	// and one to find the name.
	return { gets, lists: Math.ceil(gets / 1_000) + 3 + (isActive ? 1 : 0) + 1 };
}

export function simulateRound({ users, activeShare, atOnce }: Workload): Round {
	const [active, idle] = [requestsOf(true), requestsOf(false)];
	const mean = (of: "gets" | "lists") => activeShare * active[of] + (1 - activeShare) * idle[of];
	const [gets, lists] = [mean("gets"), mean("lists")];
	const workS = gets * GET_S + (lists - 1) * LIST_S + CALL_S;
	const putsPerSecond = (users * activeShare * COMMITS_A_DAY * DAYS_USED * PEAK) / 86_400;
	const partitions = Math.max(1, Math.ceil(putsPerSecond / S3_PUTS));
	const allowedGets = partitions * S3_GETS;

	const time = { listing: 0, functions: 0, S3: 0 };
	let functionS = 0;
	for (let done = 0; done < users; done += PAGE) {
		const names = Math.min(PAGE, users - done);
		time.listing += names * LIST_S;
		const byFunctions = (names * workS) / Math.min(atOnce, names);
		const byS3 = (names * gets) / allowedGets;
		time[byS3 > byFunctions ? "S3" : "functions"] += Math.max(byS3, byFunctions);
		// A function that S3 slows down waits, and costs as much as one that works.
		functionS += names * LIST_S + Math.max(names * workS, byS3 * Math.min(atOnce, names));
	}
	const seconds = time.listing + time.functions + time.S3;
	const [limit] = Object.entries(time).sort(([, a], [, b]) => b - a)[0]!;
	const perUser =
		gets * PRICES.get + lists * PRICES.list + PRICES.messages + PRICES.call + PRICES.logs;
	return {
		hours: seconds / 3_600,
		shareOfS3: (users * gets) / (seconds - time.listing) / allowedGets,
		dollars: users * perUser + functionS * PRICES.functionSecond,
		partitions,
		limit: limit as Round["limit"],
	};
}

/** The page docs/retention-at-scale.md. */
export function scalePage(): string {
	const { gets, lists } = requestsOf(true);
	const rows = [1_000, 100_000, 1_000_000].flatMap((users) =>
		[1, 0.1].flatMap((activeShare) =>
			[4, 16, 64].map((atOnce) => {
				const { hours, shareOfS3, dollars, partitions, limit } = simulateRound({
					users,
					activeShare,
					atOnce,
				});
				const cells = [
					users.toLocaleString("en"),
					activeShare === 1 ? "all" : "one in ten",
					atOnce,
					duration(hours),
					partitions,
					`${Math.round(shareOfS3 * 100)} %`,
					limit,
					dollars < 10 ? dollars.toFixed(2) : Math.round(dollars),
				];
				return `| ${cells.join(" | ")} |`;
			}),
		),
	);
	return `# Retention at scale

How long a daily round of retention takes, what it costs, and which setting fits. \`packages/infra/pages/retention-model.ts\` computes this page; \`pnpm docs:write\` writes it. It is a model: nobody has measured it on AWS. A GET counts as ${(1_000 * GET_S).toFixed(1)} ms of one CPU; 1.0 to 1.6 ms were measured against MinIO without TLS.

A schedule starts a round at 03:17 UTC. The round lists the workspaces in pages of ${PAGE.toLocaleString("en")}, and a queue has a message for each workspace. \`openclaw:retentionAtOnce\` functions process them. While a round runs, the next day's does not start. What fails returns after 16 minutes, and after three times raises the alarm \`RetentionFailed\` ([decision 68](decisions/0068-retention-by-a-queue.md)).

| users | in use | \`retentionAtOnce\` | a round takes | S3 prefixes | of their GETs | limited by | $ a round |
|---|---|---|---|---|---|---|---|
${rows.join("\n")}

- **In use**: the other workspaces keep their last commits, and cost ${requestsOf(false).gets} GETs each.
- **S3 prefixes**: S3 takes ${S3_GETS.toLocaleString("en")} GETs and ${S3_PUTS.toLocaleString("en")} PUTs a second for each prefix that it has split off [1]. It splits by itself as the users' own requests grow; the model assumes as many prefixes as their PUTs need.
- **Of their GETs**: what retention takes of the GETs that S3 allows. The users need the rest, and nothing but the setting keeps it for them. Stay near 50 % or below.
- **Limited by** *functions*: a higher setting makes the round shorter. *S3*: S3 answers 503 to retention and to users; the sidecar repeats those requests, and the round only becomes more expensive. *Listing*: names are found one after the other, ${1_000 * LIST_S} ms each.

Which setting: 4 for up to 100,000 users, 16 for a million. If the alarm \`RetentionBehind\` fires, the round takes more than five days: raise the setting as long as half of the GETs stay for the users. A slow round deletes nothing too early. It only keeps what is past retention longer, by the time that a round takes.

Nearly the whole cost is GETs: a workspace in use has ${COMMITS_A_DAY} commits a day, and each kept commit is read once a round (${gets.toLocaleString("en")} GETs and ${lists} LISTs). The dollars are those of ${"us-east-1"}: $0.40 per million GETs, $5 per million LISTs, $0.0000133334 a GB-second, $0.40 per million messages ([sources](deploy.md#what-it-costs)). Deletions are free.

[1] https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
`;
}

function duration(hours: number): string {
	if (hours < 1) return `${Math.max(1, Math.round(hours * 60))} min`;
	return hours < 48 ? `${Math.round(hours)} h` : `${(hours / 24).toFixed(1)} days`;
}
