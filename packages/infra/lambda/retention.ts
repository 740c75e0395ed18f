/**
 * Deletes what is past retention, one namespace after the other; on a schedule, with one run at a time. Fails, so that an alarm on the
 * function's errors sees it, when any namespace did; the others have had their turn by then.
 *
 * Environment: `STORE_URL`, `NONCE_TABLE` (get, put and delete of the item `retention`: where the last run stopped).
 */
import { DeleteItemCommand, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { Context } from "aws-lambda";
import { required } from "./environment.ts";
import { log } from "./log.ts";
import { type SweepReport, sweepNamespaces } from "./retention/sweep.ts";
import { openTable } from "./state-table.ts";

/** For ending a namespace's requests and writing down where it stopped. */
const RESERVE_MS = 20_000;
const KEY = { id: { S: "retention" } };

export async function handler(_event: unknown, context: Pick<Context, "getRemainingTimeInMillis">): Promise<SweepReport> {
	const store = required("STORE_URL");
	const { client, TableName } = openTable();
	const signal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - RESERVE_MS));
	const { Item } = await client.send(new GetItemCommand({ TableName, Key: KEY, ConsistentRead: true }));
	const report = await sweepNamespaces({ store, after: Item?.after?.S, signal });
	const { stoppedAfter, failures } = report;
	if (stoppedAfter === undefined) await client.send(new DeleteItemCommand({ TableName, Key: KEY }));
	else await client.send(new PutItemCommand({ TableName, Item: { ...KEY, after: { S: stoppedAfter } } }));
	log.info("retention.run-finished", { ...report });
	const failed = Object.entries(failures);
	if (failed.length > 0) throw new Error(`retention failed in ${failed.length} namespaces, the first: ${failed[0]?.join(": ")}`);
	return report;
}
