import PQueue from "p-queue";

/**
 * Works on all items, `limit` at once. After the first failure no more is begun, and it is thrown
 * once nothing is under way any more.
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
