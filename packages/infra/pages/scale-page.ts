/** The page docs/scale.md, from the model. */
import { sessionPolicy } from "../../sidecar/src/agentcore/session-policy.ts";
import { BACKOFF } from "../../sidecar/src/store/backoff.ts";
import { METRICS } from "../../sidecar/src/telemetry/metrics.ts";
import { LIST_S, PRICES, requestsOf, S3_GETS, S3_PUTS, simulateRound } from "./retention-model.ts";
import {
	BUSY_HOUR,
	DAY,
	DAYS_A_MONTH,
	type Herd,
	LIMITS,
	MORNING,
	SESSION,
	START,
	START_GETS,
	START_READS,
	simulateHerd,
	usersAt,
} from "./scale-model.ts";

const SIZES = [10_000, 100_000, 1_000_000] as const;
/** Two digits: the model has no more. */
const rounded = (value: number) => Number(value.toPrecision(2)).toLocaleString("en");
const exactly = (value: number) => value.toLocaleString("en");

function limitRows(): string {
	return LIMITS.map((limit) => ({ limit, morning: usersAt(limit, MORNING) }))
		.sort((a, b) => a.morning - b.morning)
		.map(({ limit, morning }) => {
			const { what, value, source, next } = limit;
			const users = [usersAt(limit, BUSY_HOUR), morning].map(rounded);
			return `| ${what} ${source} | ${exactly(value)} | ${users.join(" | ")} | ${next} |`;
		})
		.join("\n")
		.replaceAll("  |", " |");
}

function metRows(): string {
	return SIZES.map((users) => {
		const met = (load: typeof MORNING) =>
			LIMITS.filter((limit) => usersAt(limit, load) < users).length;
		const shares = LIMITS.map((limit) => users / usersAt(limit, MORNING));
		return `| ${exactly(users)} | ${met(BUSY_HOUR)} | ${met(MORNING)} | ${rounded(Math.max(...shares))} × |`;
	}).join("\n");
}

const HERDS: readonly (readonly [string, Herd])[] = [
	["10,000 in a second", { starts: 10_000, withinS: 1, prefixes: 1 }],
	["10,000 in a second", { starts: 10_000, withinS: 1, prefixes: 3 }],
	["100,000 in 5 minutes", { starts: 100_000, withinS: 300, prefixes: 1 }],
	["100,000 in 5 minutes", { starts: 100_000, withinS: 300, prefixes: 2 }],
];

function herdRows(): string {
	const seconds = (value: number) => (value < 10 ? value.toFixed(1) : Math.round(value));
	const row = (what: string, herd: Herd, policy: string) => {
		const { ready, medianS, slowestS, refused } = simulateHerd(herd);
		const share = ready > 0 && ready < 0.1 ? "below 10 %" : `${Math.round(ready * 100)} %`;
		const times = ready < 1 ? "- | -" : `${seconds(medianS)} s | ${seconds(slowestS)} s`;
		return `| ${what} | ${herd.prefixes} | ${policy} | ${share} | ${times} | ${Math.round(refused)} |`;
	};
	return HERDS.flatMap(([what, herd]) => [
		...(herd.prefixes === 1
			? [row(what, { ...herd, slowDown: "fault" }, "as after any failure")]
			: []),
		row(what, herd, "waits, fewer at once"),
	]).join("\n");
}

/** Dollars a month for a million users, list prices of us-east-1. */
function costs() {
	const users = 1_000_000;
	const million = (count: number) => (users * count) / 1e6;
	const sessions = DAY.sessions * DAYS_A_MONTH;
	const messages = DAY.messages * DAYS_A_MONTH;
	const puts = sessions * (START.puts + SESSION.puts);
	const gets = sessions * (START_GETS + SESSION.gets);
	const lists = sessions * (START.lists + SESSION.lists);
	const round = simulateRound({ users, activeShare: 1, atOnce: 16 });
	const rounds = 30 / Math.ceil(round.hours / 24);
	const perMetric = Object.keys(METRICS).length * users;
	const tiers = [
		[10_000, 0.3],
		[240_000, 0.1],
		[750_000, 0.05],
		[perMetric - 1_000_000, 0.02],
	] as const;
	return {
		metricPerUser: tiers.reduce((sum, [count, dollars]) => sum + count * dollars, 0),
		rows: [
			[
				"machines, V1",
				"25.7 hours a user",
				"as in [deploy.md](deploy.md#what-it-costs)",
				users * 0.636,
			],
			["Lambda, worker", "3,300 GB-seconds a user", "$0.0000133334", users * 3_300 * 0.0000133334],
			["S3, PUT", `${exactly(puts)} a user`, "$5 a million", million(puts) * 5],
			["logs", "50 MB a user", "$0.50 a GB", users * 0.05 * 0.5],
			[
				"S3, storage",
				"500 MB a user",
				"$0.023, above 50 TB $0.022 a GB",
				50_000 * 0.023 + 450_000 * 0.022,
			],
			[
				"retention",
				`${rounds} rounds`,
				"[retention-at-scale.md](retention-at-scale.md)",
				rounds * round.dollars,
			],
			[
				"data events, if on",
				`${exactly(Math.round(puts + gets + lists))} a user`,
				"$1 a million",
				million(puts + gets + lists),
			],
			[
				"DynamoDB",
				`${messages} messages a user, 7 writes and 5 reads each`,
				"$0.625 and $0.125 a million",
				million(messages) * (7 * 0.625 + 5 * 0.125),
			],
			["S3, LIST", `${Math.round(lists)} a user`, "$5 a million", million(lists) * 5],
			["S3, GET", `${exactly(gets)} a user`, "$0.40 a million", million(gets) * 0.4],
			["KMS, signatures", `${messages} a user`, "$3 a million", million(messages) * 3],
			[
				"KMS, for S3",
				`${2 * sessions} to ${exactly(puts + gets)} a user`,
				"$3 a million",
				million(2 * sessions) * 3,
			],
			["SQS", `${3 * messages} requests a user`, "$0.50 a million", million(3 * messages) * 0.5],
			[
				`metrics: ${Object.keys(METRICS).length}, and some once more for each model`,
				"none for each user",
				"$0.30",
				10,
			],
		] as const,
	};
}

export function limitsPage(): string {
	const { rows, metricPerUser } = costs();
	const costRows = [...rows]
		.sort(([, , , a], [, , , b]) => b - a)
		.map(
			([what, amount, price, dollars]) =>
				`| ${what} | ${amount} | ${price} | ${rounded(dollars)} |`,
		)
		.join("\n");
	const kept = requestsOf(true).gets;
	const deletedADay = Math.round((DAY.commits * DAYS_A_MONTH) / 30);
	const policy = sessionPolicy({
		bucket: { bucket: "b".repeat(63), prefix: "" },
		namespace: "n".repeat(64),
		partition: "aws",
		kmsKeyArn: `arn:aws:kms:eu-central-1:123456789012:key/${"k".repeat(36)}`,
		model: { service: "bedrock", ids: ["global.anthropic.claude-opus-5"] },
	});
	const patienceS = BACKOFF.throttled.reduce((sum, ms) => sum + ms * 0.75, 0) / 1_000;
	const putPrefixes = Math.ceil((1_000_000 * BUSY_HOUR.puts) / S3_PUTS);
	const machines = 1_000_000 * BUSY_HOUR.machines;
	const namesHours = (1_000_000 * LIST_S) / 3_600;
	return `# Limits at scale

This page shows which AWS limit you reach first as users grow in number, and what to do before. \`packages/infra/pages/scale-model.ts\` computes the numbers; \`pnpm docs:write\` writes this page. It is a model: nobody has measured it on AWS. Quotas are AWS's defaults, as read on 2026-11-30.

A user is the one of [deploy.md](deploy.md#what-it-costs): ${DAY.sessions} sessions a day of ${DAY.sessionS / 60} minutes, ${DAY.messages} messages, ${DAY.commits} commits, ${DAYS_A_MONTH} days a month. Two moments are compared:

- **busy hour**: users in all time zones. The busiest hour has four times the mean.
- **one hour**: all users of the day begin within one hour, as in one time zone, or after an outage.

## Which limit is met first

| limit | default | users, busy hour | users, one hour | before it |
|---|---|---|---|---|
${limitRows()}

| users | limits met, busy hour | limits met, one hour | the first one is exceeded, one hour |
|---|---|---|---|
${metRows()}

- **10,000 users**: raise \`openclaw:turnsAtOnce\`, AgentCore's quota of machines, and \`openclaw:requestsPerIp\`. Nothing else is near.
- **100,000 users**: Lambda's 1,000 functions for one queue are the wall: use several cells. In each, raise \`openclaw:requestsPerSecond\` too.
- **1,000,000 users**: cells. One bucket would do, with ${Math.ceil(1_000_000 / usersAt(LIMITS.find(({ what }) => what.startsWith("S3: PUTs"))!, MORNING))} prefixes in the worst hour; the queue, the machines and the signatures would not.

A **cell** is an installation in an account of its own. With \`openclaw:turnsAtOnce\` 1,000 and raised quotas of AgentCore it serves 25,000 users, or 80,000 in many time zones. Quotas of AgentCore, Lambda, KMS, STS and API Gateway belong to an account and region. The queue, the table, the bucket and its retention belong to an installation. A bot has one webhook, so its users are in one cell: give each cell a bot, or use an issuer of your own, and route users by a hash of their ids. Never move a user between cells without [export and import](transfer.md).

**Do not set \`openclaw:turnsAtOnce\` above ${25 * DAY.startS}** while AgentCore's quota is 25 new machines a second. A start takes ${DAY.startS} s, so ${25 * DAY.startS} workers begin 25 a second. More of them get refusals, and a message that was refused eight times, in 5 minutes, goes to the dead-letter queue. Messages that wait in the queue are safe for a day.

## Keys and prefixes of S3

S3 takes at least ${exactly(S3_PUTS)} PUTs and ${exactly(S3_GETS)} GETs a second for each *partitioned* prefix [1]. A prefix is any beginning of keys. S3 splits by itself where requests are, after a sustained load. That takes 30 to 60 minutes, and meanwhile S3 answers 503 SlowDown [11].

- All keys begin with \`users/\`. A new bucket is one partition, so that is the limit for everything until S3 has split. Afterwards it costs nothing: \`users/telegram.4\` and \`users/telegram.5\` can be two partitions.
- No user is hot. One machine flushes every few seconds, and reads ${START_READS} objects at its start.
- Ids that only grow (\`telegram.\` and a number) put new users side by side. Their load is small, and old users have the same chance to be active, so splits by id stay even.
- Keys of commits count down (\`log/fffffffffffe\`), so the newest is first for its reader. Within a user that concentrates nothing that matters: a partition holds thousands of users.
- Before you move many users to a new bucket, or import them, ramp up over hours, or ask AWS Support to split \`users/\` in advance.

Hashed namespaces would split more evenly, but a person could no longer find a user's objects by id. The numbers do not ask for it.

## A herd of starts

A start sends ${START.lists} LIST, ${START_GETS} GETs (${START.commits} commits since the last full one, ${START.packs} ranges of 16 MB in packs, ${START.readBacks} to read back its fence) and ${START.puts} PUT. Machines that begin together get 503 SlowDown, and each read decides how long it waits. The simulation runs the store's own code for that (\`store/backoff.ts\`), and the worker's pauses after a failed start.

| starts | prefixes | a refused read | ready | median | slowest | 503s a start |
|---|---|---|---|---|---|---|
${herdRows()}

Treated like any other failure, a read has three attempts within 1.25 s. A start that gives up begins again and sends everything twice, so most starts fail for good. Therefore each read waits for ${Math.round(patienceS / 60)} minutes in all, in pauses of at most 2 s, each shortened at random. Each refusal halves the reads at once, each answer adds one ([decision 80](decisions/0080-waiting-for-a-busy-store.md)). The slowest start then takes hardly longer than S3 needs for all requests. Three prefixes take the second herd as it comes (${exactly(Math.round((100_000 * START_READS) / 300))} reads a second of ${exactly(3 * S3_GETS)}). 503s are free [10].

With AgentCore's 25 new machines a second, reads are ${Math.round((25 * START_READS * 100) / S3_GETS)} % of one prefix, so only machines of your own, or a raised quota, can make such a herd. After an outage, a machine whose predecessor committed less than 20 s ago also lists four times a second, for 5 s at most (\`--handover-wait\`).

Little else comes in step. Idle machines send nothing, rescans read the local disk, and flushes follow each user's own changes.

## KMS, STS, policies

- **Bucket keys** are on. But S3 fetches them once for each requester, and one role with different session policies counts as different requesters [2]. So each session costs at least a Decrypt and a GenerateDataKey, and at most one request for each object. The table above takes the worst case. In the busy hour, a million users then need ${rounded(1_000_000 * (BUSY_HOUR.reads + BUSY_HOUR.puts))} a second: too many for a small region, and few for one with 100,000.
- **Signatures**: the worker signs a token for each message with an RSA key. 1,000 a second are shared by all RSA keys of the account [3].
- **STS**: one request for each start. Sessions last an hour longer than machines, so none is renewed; with \`--role-duration 1h\` a machine renews after 55 minutes. The quota of 600 a second is one that others quote from AWS [4], and AWS does not say whether it includes AssumeRoleWithWebIdentity.
- **Session policy**: ${exactly(policy.length)} characters with the longest bucket name and one model. STS takes 2,048, and also limits a packed size that it does not publish.
- One role, one OpenID provider, one key and one bucket policy serve all users. Nothing in IAM grows with them.

## LIST, and retention

- A start lists one key. The end of a session, and every 64th commit, list the own slots: ${(DAY.sessions * (START.lists + SESSION.lists)).toFixed(1)} LISTs a day for each user.
- Retention finds names with one LIST each: $${1_000_000 * PRICES.list} and ${Math.round(namesHours)} hours a round for a million users, beside the work. Its GETs are the larger part: [retention-at-scale.md](retention-at-scale.md).
- A bucket takes 1,000 lifecycle rules [12]. The stack has two, for all users. Never make one for a user.

## Objects and bytes

- A busy user has about ${exactly(kept)} commits, and deletes ${deletedADay} a day. Deleted objects stay for 30 days as old versions, about ${exactly(deletedADay * 30)}. A million users have ${Math.round((kept + deletedADay * 30) / 1_000)} billion versions; S3 sets no limit to them.
- S3 Standard adds nothing for a small object. Do not use Standard-IA or One Zone-IA: they bill at least 128 KB and 30 days, and more for each GET [13]. A commit has about 124 kB ([benchmarks.md](benchmarks.md)), counts for 7 days, and is read in every round of retention. Never archive: a start reads old packs.

## What it costs

A month for 1,000,000 users in dollars, by size. Sources: [deploy.md](deploy.md#what-it-costs), https://aws.amazon.com/dynamodb/pricing/on-demand/ and https://aws.amazon.com/sqs/pricing/.

| what | how much | price | $ |
|---|---|---|---|
${costRows}

A metric for each user would cost ${rounded(metricPerUser)} a month. The sidecar's metrics therefore have no such dimension (\`telemetry/metrics.ts\`); the logs have the namespace.

## Not solved

- **One queue**: a worker waits for its agent the whole time, and \`MaximumConcurrency\` of an event source ends at 1,000. AWS has a provisioned mode with up to 16 times the capacity [6], which the stack does not use.
- **The issuer's documents** have a fixed limit for one address, and a throttle of 50 a second each, so that nobody's requests to the webhooks use up what machines need. The throttle is twice AgentCore's default of new machines; the limit is less than half of it.
- **FIFO without high throughput**: 300 messages a second. In that mode, SQS would deduplicate within a user's messages only.
- **Flushes after an outage of S3** repeat every 30 s, without a random part. In the busy hour, a million users have ${rounded(machines)} machines, and all may have failed within one cadence of 5 s. Their PUTs then come ${rounded(machines / 5)} a second, to ${putPrefixes} prefixes that take ${exactly(putPrefixes * S3_PUTS)}. That takes three rounds; nothing is lost.
- **Names one by one**: see above. A listing with a delimiter would need a thousandth of the requests.

[1] https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html [2] https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html [3] https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html [4] https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html [5] https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/bedrock-agentcore-limits.html [6] https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html [7] https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html [8] https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html [9] https://repost.aws/knowledge-center/on-demand-table-throttling-dynamodb [10] https://docs.aws.amazon.com/AmazonS3/latest/userguide/ErrorCodeBilling.html [11] https://repost.aws/knowledge-center/http-5xx-errors-s3 and the comment at https://aws.amazon.com/premiumsupport/knowledge-center/s3-object-key-naming-pattern/ [12] https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleConfiguration.html [13] https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
`;
}
