/**
 * What an audit of the deployment asked for, and the tests that show it, for
 * docs/deployment-tests.md. `shown.test.ts` fails if a test is gone or has another title.
 */

interface Row {
	readonly claim: string;
	/** Titles by file, below the repository. */
	readonly tests: Readonly<Record<string, readonly string[]>>;
	/** What no test here can show. */
	readonly open?: string;
}

const INFRA = "packages/infra";
const STACK = `${INFRA}/test/stack`;
const TALK = `${INFRA}/test/conversation`;
const TOOLS = `${INFRA}/tools`;
const LAMBDA = `${INFRA}/lambda`;
const IMAGE = "packages/image/test";

/** In the order of the audit. */
export const ROWS: readonly Row[] = [
	{
		claim: "Each resource is created after what it calls, such as a schedule after its permission",
		tests: {
			[`${INFRA}/test/first-deploy.test.ts`]: [
				"puts every function after the policies of its role",
				"puts %s after what it calls",
			],
		},
	},
	{
		claim: "Each channel can be set up from an empty secret, and Telegram from its token alone",
		tests: {
			[`${LAMBDA}/rotation.heavy.test.ts`]: [
				"gets Telegram's webhook and its secret from the first rotation, while the webhook handler runs",
				"can be set up by a rotation, from fields that an operator staged",
				"has no webhook after a first rotation that failed, and the next rotation succeeds",
			],
			[`${LAMBDA}/webhook.test.ts`]: [
				"a channel with an incomplete secret refuses all requests like forged ones, and the log names the missing field",
			],
		},
	},
	{
		claim:
			"A model answers by default, nothing is fetched at a start, and a deployment without one is refused",
		tests: {
			[`${INFRA}/test/first-deploy.test.ts`]: [
				"is refused without a model, a channel, or a model that the region can call",
				"has a model by default in every commercial region",
			],
			[`${INFRA}/test/policies.test.ts`]: [
				"calls models only as a user, and only those of the configuration",
			],
			[`${IMAGE}/model.image.test.ts`]: [
				"a turn is signed with the user's session, and a machine needs no other host to start, nor does the next one",
			],
		},
		open: "Bedrock itself",
	},
	{
		claim:
			"Every action of every statement is allowed for its principal, and denied for a stranger",
		tests: {
			[`${INFRA}/test/every-action.test.ts`]: [
				"is granted to the principal for whom it is meant",
				"is denied to a stranger",
				"is denied to its principal where the statement's conditions do not hold",
			],
			[`${INFRA}/test/policies.test.ts`]: ["has conditions named after the issuer"],
		},
	},
	{
		claim: "CloudWatch Logs may use the key of the log groups with the actions that AWS documents",
		tests: {
			[`${STACK}/watch.test.ts`]: [
				"lets services write into our log groups for this account only",
				"has only encrypted log groups with a retention",
			],
		},
	},
	{
		claim:
			"The image can come by URI, from another Containerfile, with arguments and secrets; a recipe builds it on arm64",
		tests: {
			[`${INFRA}/test/agent-image.test.ts`]: [
				"is run as it is, nothing is built, and only its repository may be pulled from",
				"can come from another Containerfile, with its directory as the context",
				"says that the build is emulated, what that costs, and how to avoid it",
			],
			[`${IMAGE}/ci.test.ts`]: [
				"has turns taken before it scans, scans before it pushes, and signs what it pushed by digest",
			],
			[`${IMAGE}/arm64.image.test.ts`]: ["answers its first ping, and ends"],
		},
		open: "a turn on a real arm64 machine",
	},
	{
		claim: "One command goes from nothing to a first answer; one tests it later; one takes it down",
		tests: {
			[`${TOOLS}/first-answer.test.ts`]: [
				"deploys, stores the secret, sets the webhook, allows the user, and sees the agent's answer",
				"run again, asks and changes nothing",
				"goes through %s's door to an answer in the user's chat",
				"deletes the stack, and tells what stays, why, and how to remove it",
			],
		},
	},
	{
		claim: "Regions are a table with a date, which the doctor compares with the account",
		tests: {
			[`${INFRA}/test/config.test.ts`]: [
				"are refused by name without AgentCore, and the message lists those that have it",
			],
			[`${INFRA}/doctor/checks.test.ts`]: [
				"in %s with the setting %s and %s deployed: platform version is %s",
			],
		},
		open: "`buildHooks.warmup`, which no released CDK has; the image warms itself up",
	},
	{
		claim: "A trail records every change that could open the data, and changes are reported",
		tests: {
			[`${INFRA}/test/changes.test.ts`]: [
				"records changes in every region, with IAM's and those of the users, and no reads",
				"counts what the rule cannot see: IAM's changes, and those of the trail, the rule, the logs and the alarms",
				"of the account can take its place, and then nothing is recorded twice",
			],
			[`${INFRA}/doctor/look-up.heavy.test.ts`]: ["shows a trail once it records changes"],
		},
	},
	{
		claim: "A message is queued once by the key that its channel documents",
		tests: {
			[`${LAMBDA}/webhook.test.ts`]: [
				"a Feishu message is queued once, whatever the id of the event that brings it",
				"a retry of the channel is queued once",
			],
		},
	},
	{
		claim:
			"Operators add, remove, stop and erase users and repair logs, with MFA and for one namespace",
		tests: {
			[`${INFRA}/test/operators.test.ts`]: [
				"erases one namespace, and reads none",
				"is the only one that removes versions, even beside an administrator",
				"gives sessions of an hour, and trusts no role by default",
			],
			[`${TOOLS}/users-tool.test.ts`]: [
				"removes every version and marker of one user, their rows and their machine, and leaves a record without a name",
				"shows what there is in a dry run, and changes nothing",
			],
			[`${TOOLS}/repair-tool.heavy.test.ts`]: [
				"shows what is wrong, and removes it after a copy, in a session for this log",
			],
		},
	},
	{
		claim: "The list of users has room for 100,000, and comes from a file",
		tests: {
			[`${TOOLS}/user-table.heavy.test.ts`]: [
				"among 100,000 users, others are added, all are listed, and one is found and removed",
			],
			[`${TOOLS}/users-tool.test.ts`]: [
				"gets users as words and from a file, once each, and lists them as the file that `add` reads",
			],
			[`${INFRA}/test/config.test.ts`]: [
				"take every list as JSON in text, because `-c` passes only text",
			],
		},
	},
	{
		claim: "Every host that a machine needs has a way in every example, or the synth names it",
		tests: {
			[`${INFRA}/test/first-deploy.test.ts`]: [
				"have a way in the example %s",
				"are named when they have none, with what to do",
			],
		},
	},
	{
		claim: "What the agent prints is an event, and neither a log line of the sidecar nor a metric",
		tests: {
			"packages/sidecar/src/cli/agent-output.test.ts": [
				"an agent on the platform cannot write a log line of the sidecar's, nor a metric",
			],
			"packages/sidecar/src/daemon/agent-output.test.ts": [
				"a line that never ends is not kept in memory",
				"over ten minutes no more is logged than the rate allows",
			],
		},
	},
	{
		claim: "Every alarm rings at its threshold, and does without data what its page says",
		tests: {
			[`${INFRA}/test/alarms.test.ts`]: [
				"alarms on values at its threshold in the periods that its page names, and not in one period fewer",
				"does without data what its page says",
				"another installation in the account does not report for this one's machines",
			],
		},
		open: "that CloudWatch fills a metric without any value",
	},
	{
		claim:
			"The issuer has its own throttle, the image its own repository, the signing key one user",
		tests: {
			[`${STACK}/chats.test.ts`]: [
				"throttles the issuer's documents on their own, so that webhooks cannot use up what STS needs",
			],
			[`${INFRA}/test/first-deploy.test.ts`]: [
				"the image is in a repository that other CDK apps of the account do not use",
			],
			[`${INFRA}/test/policies.test.ts`]: ["signs for the worker only, and for no administrator"],
		},
		open: "tokens stay in the payload: [decision 35](decisions/0035-tokens-in-the-payload.md)",
	},
	{
		claim:
			"The image has current Debian and Node, no package that Debian has a fix for, and bills of materials",
		tests: {
			[`${IMAGE}/hardening.image.test.ts`]: [
				"has Node with the security fixes that doctor asks for, and Debian's current release",
				"has the tools of a build argument, without a setuid bit, and lists them",
				"names Debian's release and source packages, by which a scanner finds vulnerabilities",
			],
			[`${IMAGE}/security-updates.test.ts`]: [
				"fixes of the security archive and of point releases count, other updates do not",
			],
			[`${IMAGE}/base.test.ts`]: [
				"the digest of a tag comes from the registry's bytes, with an anonymous token",
			],
			"scripts/licences.test.ts": ["what packages/%s ships has no such licence"],
		},
		open: "the base's digest, a scanner's database and a signature need a registry: [image.md](image.md)",
	},
	{
		claim: "An older OpenClaw on a newer database says what to do",
		tests: {
			"packages/sidecar/src/daemon/supervised-agent.test.ts": [
				"says what to do if the agent refuses its data, as OpenClaw does after a step back",
			],
		},
	},
	{
		claim:
			"Rotations leave no label behind, alarms teach nobody to ignore them, long texts pass WAF, a domain and a bucket outlive the stack",
		tests: {
			[`${LAMBDA}/rotation.heavy.test.ts`]: [
				"fails if the current bot token was revoked, and leaves no label behind",
				"tests the current secret of %s, and succeeds without a change",
			],
			[`${INFRA}/test/names.test.ts`]: [
				"every saved query that an alarm or a document names exists",
				"exists for the machines, the webhook, the worker, the firewall, retention, the audit and Falco",
			],
			[`${INFRA}/test/firewall.test.ts`]: [
				"passes long messages of channels that have them: %s, %i bytes",
				"treats Telegram's path by address: %s",
				"the attempts of the queue outlast an update of the runtime, which refuses for 204 s",
			],
			[`${STACK}/watch.test.ts`]: [
				"lets machines list log groups, through the VPC's endpoint too",
				"creates the log group of the API's errors before the stage can write there",
			],
			[`${INFRA}/doctor/look-up.heavy.test.ts`]: [
				"without names for endpoints is refused, and what the remedy changes makes it pass",
				"shows its Logs resource policies, of which ten are too many",
			],
			[`${INFRA}/test/first-deploy.test.ts`]: [
				"is the URL of the webhooks and the issuer, and answers before IAM reads it",
				"is adopted with its key, under the policy of a new one",
			],
		},
	},
	{
		claim:
			"A user sees at once that the agent works, gets long answers in parts, and reads what failed in their language",
		tests: {
			[`${TALK}/progress.test.ts`]: [
				"in Telegram that the bot is typing, at once, again and again, and not after the answer",
				"in an assistant's thread of Slack its status, and in any other thread a reaction",
				"in Feishu a reaction, which goes with the answer",
			],
			[`${TALK}/answers.test.ts`]: ["has its parts in order, each well-formed, in each channel"],
			[`${TALK}/notices.test.ts`]: ["what failed and what to do, in the user's language"],
		},
		open: "answers do not stream: [decision 76](decisions/0076-answers-arrive-in-parts.md)",
	},
	{
		claim:
			"Threads, Markdown, attachments, other kinds of messages, long pastes, commands and strangers",
		tests: {
			[`${TALK}/answers.test.ts`]: [
				"is HTML in Telegram, rich text in Slack and a post in Feishu",
				"is sent as plain text if the channel refuses its format",
				"an answer goes to the thread of its message",
			],
			[`${TALK}/attachments.test.ts`]: [
				"of %s reaches the agent: an image as an image, with its caption or a sentence",
				"that %s is refused with the reason",
			],
			[`${LAMBDA}/channels/message-kinds.test.ts`]: [
				"is read as what it says, and the rest is named",
			],
			[`${TALK}/pastes.heavy.test.ts`]: ["is one turn, in order, and the pieces are queued once"],
			[`${TALK}/commands.test.ts`]: ["of the agent reaches it in order: %s"],
			[`${TALK}/notices.test.ts`]: [
				"its answer to %s, without waking the agent or waiting for it",
				"to a stranger their id, once a day, and once more when asked",
			],
			[`${TOOLS}/first-answer.test.ts`]: ["calls Lark where the settings say so"],
		},
		open: "PDF and voice are declined with a sentence",
	},
	{
		claim:
			"Other people's building blocks where they fit: [decision 66](decisions/0066-what-a-chat-shows.md) has the measurements",
		tests: {
			[`${LAMBDA}/format/format.test.ts`]: [
				"is well-formed in every part, loses no text, and never exceeds a part",
			],
		},
	},
	{
		claim:
			"Retention of a million workspaces: a queue, each workspace on its own, twice without harm",
		tests: {
			[`${LAMBDA}/retention.test.ts`]: [
				"that takes longer than a call stops no other, and stays for a person",
				"can be delivered twice at the same time, and so can every other message",
			],
			[`${INFRA}/pages/retention-model.test.ts`]: [
				"the default setting does 100,000 users in two days, and 16 functions do a million in a week",
			],
		},
		open: "measured against a model only",
	},
	{
		claim: "Several environments from one file, and an update replaces nothing that has data",
		tests: {
			[`${INFRA}/test/config.test.ts`]: [
				"take their own settings first, then the common ones, and have a stack each",
			],
			[`${STACK}/whole.test.ts`]: [
				"replaces no stateful resource of the previous release",
				"notices a stateful resource that is deleted, replaced or no longer retained",
			],
		},
	},
	{
		claim:
			"Falco reads the trail with lists that the stack fills, from images by digest, and may do nothing else; its rules are artifacts of falcoctl",
		tests: {
			[`${STACK}/falco.test.ts`]: [
				"get each of their lists from the stack, and no list that they do not have",
				"are switched off where the stack cannot feed them, and only there",
				"writes its three files and starts the engine",
				"takes messages, reads the trail and publishes alerts, and may do nothing else",
			],
			[`${LAMBDA}/falco-findings.test.ts`]: [
				"that Security Hub refuses fails with its reason, so that it is tried again",
			],
			"falco/package/artifact.heavy.test.ts": [
				"are installed by digest, byte for byte, as the checksums say",
				"are installed by name, with the plugins that they depend on",
			],
		},
		open: "Fargate, a real trail and Security Hub",
	},
];

export function shownPage(): string {
	const rows = ROWS.map(({ claim, tests, open }, index) => {
		const named = Object.entries(tests).map(
			([file, titles]) => `\`${file}\`: ${titles.map((title) => `"${title}"`).join(", ")}`,
		);
		return `| ${index + 1} | ${claim} | ${named.join("; ")} | ${open ?? ""} |`;
	});
	return `# What the tests show about a deployment

Nobody has deployed this to AWS yet. So every promise is shown as far as it can be here: templates by assertion, policies by evaluation, handlers over HTTP, the image by running it. \`packages/infra/pages/shown.ts\` has the table; \`pnpm docs:write\` writes this page, and a test looks for every title. In titles, \`%s\` stands for the cases.

| no. | promise | tests | not shown |
|---|---|---|---|
${rows.join("\n")}

The whole path of a message, from the webhook to the answer in the channel's format, with the real daemon: \`packages/infra/lambda/end-to-end.heavy.test.ts\`; with the real OpenClaw: \`demo/chat.heavy.test.ts\`.
`;
}
