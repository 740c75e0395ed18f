import PQueue from "p-queue";

/**
 * Processes all items, `limit` at once. After the first failure it starts no more, and throws the
 * failure once nothing is running.
 */
export async function inParallel<T>(
	limit: number,
	items: Iterable<T>,
	work: (item: T) => Promise<void>,
): Promise<void> {
	const queue = new PQueue({ concurrency: limit });
	try {
		await queue.addAll(Array.from(items, (item) => () => work(item)));
	} finally {
		queue.clear();
		await queue.onIdle();
	}
}
