/**
 * The messages of retention's queue. Each is safe to process twice, and twice at the same time.
 *
 * `start`: from the schedule; begins a round, unless one is running. `list`: makes messages of the
 * next names, and one more `list` that continues after them. `sweep`: one namespace.
 */
import { isRecord, parseJson } from "../shared/environment.ts";

export type RetentionTask =
	| { readonly task: "start" }
	| { readonly task: "list"; readonly after?: string }
	| { readonly task: "sweep"; readonly namespace: string };

/** @throws Error that quotes the message, which contains no secret */
export function parseTask(body: string): RetentionTask {
	const value = parseJson(body);
	if (isRecord(value)) {
		const { task, after, namespace } = value;
		if (task === "start") return { task };
		if (task === "list" && (after === undefined || typeof after === "string"))
			return after === undefined ? { task } : { task, after };
		if (task === "sweep" && typeof namespace === "string" && namespace !== "")
			return { task, namespace };
	}
	throw new Error(
		`unknown task ${body.slice(0, 200)}: delete the message; the tasks are start, list and sweep`,
	);
}
