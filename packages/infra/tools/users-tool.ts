/** `pnpm infra:users`: who may talk to the agents, and the end and the erasure of one user. */
import { readFileSync } from "node:fs";
import { text as textOf } from "node:stream/consumers";
import { BedrockAgentCoreClient } from "@aws-sdk/client-bedrock-agentcore";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { encodeUserId } from "../../sidecar/src/agentcore/namespace-code.ts";
import type { Config } from "../lib/settings/config.ts";
import { usersFrom } from "../lib/settings/users.ts";
import { type Erasure, erase, survey } from "./erase.ts";
import { endMachine } from "./machines.ts";
import { type Credentials, endMachines, eraseNamespace, manageUsers, whoAmI } from "./session.ts";
import {
	addRoleOptions,
	Command,
	counted,
	enter,
	type Io,
	type Opened,
	open,
	type RoleOptions,
	runTool,
} from "./tool.ts";
import { ToolError } from "./tool-error.ts";
import { UserTable } from "./user-table.ts";

export interface UsersToolOptions {
	/** For tests: the pause before a place is listed again, and versions in a page. */
	readonly quiet?: () => Promise<void>;
	readonly pageSize?: number;
}

export async function runUsersTool(
	argv: readonly string[],
	io: Io,
	forTests: UsersToolOptions = {},
): Promise<number> {
	const program = new Command("infra:users").description(
		"Manages who may talk to the agents. Needs the operators' role.",
	);
	const sub = (usage: string, description: string) =>
		addRoleOptions(program.command(usage).description(description));

	sub("add [USERS...]", "Allow users: telegram.4711, or telegram.4711=anna for a person.")
		.option("--file <FILE>", "One per line, or JSON; - reads stdin.")
		.action(async (words: string[], options: RoleOptions & { readonly file?: string }) => {
			const users = usageOf(() => usersFrom(words.join("\n")));
			const more = await fromFile(options.file);
			const table = await tableOf(options, io);
			const result = await table.add({ ...more, ...users });
			io.out(
				options.json === true
					? JSON.stringify(result)
					: `${counted(result.added, "user")} added, ${result.unchanged} already there`,
			);
		});

	sub("list", "Print who is allowed; `add --file` reads the JSON.").action(
		async (options: RoleOptions) => {
			const users = await (await tableOf(options, io)).list();
			if (options.json === true) io.out(JSON.stringify(users, null, "\t"));
			else for (const [sender, user] of Object.entries(users)) io.out(`${sender} ${user}`);
		},
	);

	sub("remove <NAMES...>", "Refuse senders, or all senders of a person. Their data stays.").action(
		async (names: string[], options: RoleOptions) => {
			const { table, config } = await openTable(options, io);
			const senders = await table.find(names);
			await table.remove(senders);
			warnOfSettings(config, [...names, ...senders], io);
			if (options.json === true) io.out(JSON.stringify({ removed: senders }));
			else
				io.out(
					`${counted(senders.length, "sender")} removed: ${senders.join(", ") || "no user has that name"}`,
				);
		},
	);

	sub("stop <NAME>", "End a person's machine. Their next message starts another one.").action(
		async (name: string, options: RoleOptions) => {
			const opened = await open(options);
			refuseOwnIssuer(opened);
			const { runtimeArn, usersTable } = opened.outputs;
			const credentials = await enter(
				opened,
				"operatorRole",
				(partition) => [
					...endMachines(runtimeArn),
					...(usersTable === undefined ? [] : manageUsers(partition, usersTable)),
				],
				options,
				io,
			);
			if (usersTable !== undefined) await usersOf(opened, usersTable, credentials).sendersOf(name);
			const ended = await endMachine(agentCore(opened, credentials), runtimeArn, name);
			if (options.json === true) io.out(JSON.stringify({ machine: ended }));
			else io.out(ended === "ended" ? `${name}: ended` : `${name}: no machine is running`);
		},
	);

	sub("erase <NAME>", "Erase a person for good: every version of every object, and prove it.")
		.option("--dry-run", "Only show what there is.")
		.option("--yes <NAME>", "Confirm without a terminal: the same name again.")
		.option("--machine-ended", "With an issuer of your own: you have ended the machine yourself.")
		.action(async (name: string, options: EraseOptions) => {
			const opened = await open(options);
			if (options.machineEnded !== true && options.dryRun !== true) refuseOwnIssuer(opened);
			const tools = await eraseTools(opened, name, options, io, forTests);
			const found = await survey(tools, name);
			if (options.dryRun === true) return io.out(shown(found, options));
			io.err(shown(found, {}));
			await confirm(name, options, io);
			io.out(shown(await erase(tools, name), options));
			warnOfSettings(opened.config, [name, ...found.senders], io);
		});

	return await runTool(program, argv, io);
}

interface EraseOptions extends RoleOptions {
	readonly dryRun?: boolean;
	readonly yes?: string;
	readonly machineEnded?: boolean;
}

async function eraseTools(
	opened: Opened,
	name: string,
	options: EraseOptions,
	io: Io,
	forTests: UsersToolOptions,
) {
	const { outputs, config, region } = opened;
	const { bucket, usersTable, runtimeArn } = outputs;
	const credentials = await enter(
		opened,
		"operatorRole",
		(partition) => [
			...(usersTable === undefined ? [] : manageUsers(partition, usersTable)),
			...endMachines(runtimeArn),
			...eraseNamespace(partition, bucket, encodeUserId(name)),
		],
		options,
		io,
	);
	const client = agentCore(opened, credentials);
	return {
		s3: new S3Client({ region, ...(credentials && { credentials }) }),
		bucket,
		users: usersTable === undefined ? undefined : usersOf(opened, usersTable, credentials),
		endMachine:
			options.machineEnded === true
				? undefined
				: async (user: string) => await endMachine(client, runtimeArn, user),
		maxHours: config.maxHours,
		by: await whoAmI(region, credentials),
		say: io.err,
		...forTests,
	};
}

/** @throws ToolError NOT_CONFIRMED */
async function confirm(name: string, { yes }: EraseOptions, { ask }: Io): Promise<void> {
	const typed = yes ?? (await ask?.text(`This cannot be undone. Type ${name} to erase it`));
	if (typed === name) return;
	throw new ToolError(
		"NOT_CONFIRMED",
		typed === undefined ? "nothing was erased" : `${JSON.stringify(typed)} is not ${name}`,
		`repeat with --yes ${name}`,
	);
}

function shown(result: Erasure, { json }: { readonly json?: boolean }): string {
	if (json === true) return JSON.stringify(result, null, "\t");
	const { namespace, senders, before, after, machine, record, provenAfter } = result;
	const told = ({ versions, deleteMarkers, bytes }: Erasure["before"]) =>
		`${versions} versions and ${deleteMarkers} delete markers, ${bytes} bytes`;
	const first = [
		`senders: ${senders.join(", ") || "none"}`,
		`users/${namespace}/ had ${told(before)}`,
	];
	if (after === undefined) return first.join("\n").replace(" had ", " has ");
	return [
		...first,
		`now it has ${told(after)}; machine: ${machine}`,
		`audit record: ${record}`,
		`run this command again after ${provenAfter}: no machine that was alive can write then, so an empty listing is final`,
	].join("\n");
}

/** @param gone senders and persons */
function warnOfSettings({ allowedUsers }: Config, gone: readonly string[], { err }: Io): void {
	const named = Object.entries(allowedUsers)
		.filter((pair) => pair.some((name) => gone.includes(name)))
		.map(([sender]) => sender);
	if (named.length > 0)
		err(
			`warning: openclaw:allowedUsers in cdk.json still names ${named.join(", ")}. Remove it there, or a new stack allows it again`,
		);
}

async function tableOf(options: RoleOptions, io: Io): Promise<UserTable> {
	return (await openTable(options, io)).table;
}

async function openTable(options: RoleOptions, io: Io) {
	const opened = await open(options);
	const { usersTable } = opened.outputs;
	if (usersTable === undefined) throw ownIssuer("the issuer decides who is allowed");
	const credentials = await enter(
		opened,
		"operatorRole",
		(partition) => manageUsers(partition, usersTable),
		options,
		io,
	);
	return { table: usersOf(opened, usersTable, credentials), config: opened.config };
}

function usersOf(
	{ region }: Opened,
	name: string,
	credentials: Credentials | undefined,
): UserTable {
	// A new table takes 4,000 writes a second, and refuses more for a moment.
	return new UserTable(
		new DynamoDBClient({ region, maxAttempts: 10, ...(credentials && { credentials }) }),
		name,
	);
}

function agentCore({ region }: Opened, credentials: Credentials | undefined) {
	return new BedrockAgentCoreClient({ region, ...(credentials && { credentials }) });
}

/** The runtime then takes its issuer's tokens, and no signature of AWS. */
function refuseOwnIssuer({ config }: Opened): void {
	if (config.issuer !== undefined) throw ownIssuer("only a token of your issuer can end a machine");
}

function ownIssuer(reason: string): ToolError {
	return new ToolError(
		"OWN_ISSUER",
		`the installation has an issuer of its own (openclaw:issuer): ${reason}`,
		"end the session from your application (StopRuntimeSession with the user's token), or wait for openclaw:maxHours; then erase with --machine-ended",
	);
}

async function fromFile(file: string | undefined) {
	if (file === undefined) return {};
	const text =
		file === "-" ? await textOf(process.stdin) : usageOf(() => readFileSync(file, "utf8"));
	return usageOf(() => usersFrom(text), file);
}

/** @throws ToolError USAGE */
function usageOf<T>(read: () => T, file?: string): T {
	try {
		return read();
	} catch (error) {
		const at = file === undefined ? "" : `${file}: `;
		throw new ToolError(
			"USAGE",
			at + (error as Error).message,
			"write telegram.4711, slack.TEAM.MEMBER or feishu.OPEN_ID, with =NAME for a person with several",
		);
	}
}
