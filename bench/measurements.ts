/** All measurements, in the order of the page: the median user first. */
import type { Measurement } from "./measurement.ts";
import { commits } from "./measurements/commits.ts";
import { database1gb } from "./measurements/database-1gb.ts";
import { drain } from "./measurements/drain.ts";
import { fileStore } from "./measurements/file-store.ts";
import { firstCommits } from "./measurements/first-commit.ts";
import { firstReply } from "./measurements/first-reply.ts";
import { flushDatabase } from "./measurements/flush-database.ts";
import { flushOne } from "./measurements/flush-one.ts";
import { growth } from "./measurements/growth.ts";
import { idle } from "./measurements/idle.ts";
import { lag } from "./measurements/lag.ts";
import { peaks } from "./measurements/memory.ts";
import { restores } from "./measurements/restore.ts";
import { size } from "./measurements/size.ts";
import { start } from "./measurements/start.ts";
import { trees } from "./measurements/trees.ts";
import { turns } from "./measurements/turns.ts";

export const MEASUREMENTS: readonly Measurement[] = [
	...restores,
	fileStore,
	start,
	firstReply,
	flushOne,
	flushDatabase,
	database1gb,
	...firstCommits,
	drain,
	lag,
	growth,
	commits,
	idle,
	trees,
	turns,
	peaks,
	size,
];
