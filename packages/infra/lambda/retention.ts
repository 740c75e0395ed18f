/**
 * Deletes what is past retention, one namespace after the other. A schedule starts it, one run at a
 * time. If any namespace fails, the run processes the others and then fails, so that the alarm on
 * the function's errors fires.
 *
 * Environment: `STORE_URL`, `STATE_TABLE` (get, put and delete of the item `retention`, the place
 * where the last run stopped).
 */
import { DeleteItemCommand, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { Context } from "aws-lambda";
import { namespaces, retain, SidecarError } from "openclaw-sidecar";
import { required } from "./environment.ts";
import { logger } from "./log.ts";
import { type SweepReport, sweepAll } from "./retention/sweep.ts";
import { openTable } from "./state-table.ts";

/** Time to end a namespace's requests and record the place. */
const RESERVE_MS = 20_000;
const KEY = { id: { S: "retention" } };

/** @throws Error if a namespace failed, or the store cannot be listed */
export async function handler(
	_event: unknown,
	context: Pick<Context, "getRemainingTimeInMillis">,
): Promise<SweepReport> {
	const store = required("STORE_URL");
	const timeMs = context.getRemainingTimeInMillis() - RESERVE_MS;
	const signal = timeMs > 0 ? AbortSignal.timeout(timeMs) : AbortSignal.abort();
	const after = await stoppedAfter();
	const names = namespaces({ store, ...(after !== undefined && { after }) });
	const report = await sweepAll(
		names,
		(namespace) => sweep(store, namespace, signal),
		after,
		signal,
	);
	await noteStop(report.stoppedAfter);
	logger.info("retention.run-finished", { ...report });
	const [first, ...others] = Object.entries(report.failures);
	if (first !== undefined)
		throw new Error(
			`retention failed in ${1 + others.length} namespaces, the first: ${first.join(": ")}`,
		);
	return report;
}

/** @returns what went wrong */
async function sweep(
	store: string,
	namespace: string,
	signal: AbortSignal,
): Promise<string | undefined> {
	try {
		const { problem } = await retain({
			store,
			namespace,
			signal,
			logger: logger.child({ namespace }),
		});
		return problem && `commit ${problem.seq} cannot be read: nothing older was deleted`;
	} catch (error) {
		logger.error("retention.failed", { namespace, error });
		return error instanceof SidecarError
			? `${error.code}: ${error.message}`
			: (error as Error).message;
	}
}

async function stoppedAfter(): Promise<string | undefined> {
	const { client, TableName } = openTable();
	return (await client.send(new GetItemCommand({ TableName, Key: KEY, ConsistentRead: true }))).Item
		?.after?.S;
}

async function noteStop(after: string | undefined): Promise<void> {
	const { client, TableName } = openTable();
	if (after === undefined) await client.send(new DeleteItemCommand({ TableName, Key: KEY }));
	else await client.send(new PutItemCommand({ TableName, Item: { ...KEY, after: { S: after } } }));
}
