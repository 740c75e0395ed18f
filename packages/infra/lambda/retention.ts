/**
 * Deletes what is past retention. One message of the queue per call: `retention/task.ts` says which
 * there are. A call that throws leaves its message in the queue, which delivers it again, and after
 * the third time moves it to the dead-letter queue, where an alarm sees it.
 *
 * Guarantees: a namespace that fails, or takes longer than a call may, stops no other. Each message
 * can be delivered twice, and at the same time: two runs of one namespace do no harm, and a page of
 * names that is listed twice makes the same messages twice. A round starts only if no other runs.
 *
 * Environment: `STORE_URL`; `QUEUE_URL`, a standard queue (send, and read its attributes).
 */
import type { Context, SQSEvent, SQSRecord } from "aws-lambda";
import { namespaces, retain } from "openclaw-sidecar";
import { takePage } from "./retention/page.ts";
import { countOthers, send } from "./retention/queue.ts";
import { parseTask } from "./retention/task.ts";
import { required } from "./shared/environment.ts";
import { logger } from "./shared/log.ts";

/** Time to end a namespace's requests. */
const RESERVE_MS = 20_000;
/** Names in a page. Each takes a LIST of about 30 ms. */
const PAGE = 1_000;

type Clock = Pick<Context, "getRemainingTimeInMillis">;

/** @throws Error if the message must be delivered again */
export async function handler({ Records }: SQSEvent, context: Clock): Promise<void> {
	for (const record of Records) await handle(record, context);
}

async function handle({ body, attributes }: SQSRecord, context: Clock): Promise<void> {
	const timeMs = context.getRemainingTimeInMillis() - RESERVE_MS;
	const signal = timeMs > 0 ? AbortSignal.timeout(timeMs) : AbortSignal.abort();
	try {
		const task = parseTask(body);
		if (task.task === "start") await start();
		else if (task.task === "list") await list(task.after, signal);
		else await sweep(task.namespace, signal);
	} catch (error) {
		const attempt = Number(attributes.ApproximateReceiveCount);
		logger.error("retention.failed", { ...taskOf(body), attempt, error });
		throw error;
	}
}

/** What a failed message was about. */
function taskOf(body: string): object {
	try {
		return parseTask(body);
	} catch {
		return {};
	}
}

async function start(): Promise<void> {
	const others = await countOthers();
	if (others > 0) return logger.warn("retention.round-continues", { messages: others });
	await send([{ task: "list" }]);
	logger.info("retention.round-started");
}

/** Names first: if the call ends between them and the next page, the whole page is listed again. */
async function list(after: string | undefined, signal: AbortSignal): Promise<void> {
	const store = required("STORE_URL");
	const all = namespaces({ store, ...(after !== undefined && { after }) });
	const { names, hasMore } = await takePage(all, PAGE, () => signal.aborted);
	await send(names.map((namespace) => ({ task: "sweep", namespace })));
	const last = names.at(-1);
	if (hasMore) await send([{ task: "list", after: last! }]);
	logger.info("retention.page-listed", { names: names.length, after, last, isLast: !hasMore });
}

/** @throws Error if it is not done */
async function sweep(namespace: string, signal: AbortSignal): Promise<void> {
	const { problem } = await retain({
		store: required("STORE_URL"),
		namespace,
		signal,
		logger: logger.child({ namespace }),
	});
	if (problem !== undefined)
		throw new Error(`commit ${problem.seq} cannot be read: nothing older was deleted`);
}
