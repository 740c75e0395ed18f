import type { Row } from "./rows.ts";

/** The faults that the fault proxy injects. */
export const FAULTS: readonly Row[] = [
	{
		id: "drop",
		happened: "the request never arrives, and no answer comes",
		rule: "`unknown` is neither success nor failure: the same bytes are put again",
		tests: ["fault-any-put"],
	},
	{
		id: "dropAnswer",
		happened: "the server stores the object, and no answer comes",
		rule: "the same bytes are refused, and the id in the slot identifies the commit",
		tests: ["fault-any-put", "lost-answer-not-repeated"],
	},
	{
		id: "delay",
		happened: "arrives late",
		rule: "timeouts limit silence, not a whole transfer",
		tests: ["fault-put-and-look"],
	},
	{
		id: "truncate",
		happened: "the answer is truncated",
		rule: "a truncated answer does not count; bodies are checked by length and SHA-256",
		tests: ["fault-put-and-look"],
	},
	{
		id: "resetBefore",
		happened: "the connection breaks before the server receives anything",
		rule: "as drop",
		tests: ["fault-pack-put"],
	},
	{
		id: "resetAfter",
		happened: "the server stores the object, and the connection breaks",
		rule: "as dropAnswer",
		tests: ["fault-pack-put"],
	},
	{
		id: "error500",
		happened: "500",
		rule: "as drop",
		tests: ["fault-any-put"],
	},
	{
		id: "error500After",
		happened: "500, although the server stored the object",
		rule: "as dropAnswer: a 5xx never counts as a refusal",
		tests: ["fault-any-put"],
	},
	{
		id: "slowDown503",
		happened: "503 SlowDown",
		rule: "as drop, after a delay that doubles",
		tests: ["fault-any-put"],
	},
	{
		id: "conflict409",
		happened: "409: another request for the key is in progress",
		rule: "as drop",
		tests: ["fault-any-put"],
	},
	{
		id: "precondition412",
		happened: "412, correct or not",
		rule: "the slot is read and compared before the answer counts",
		tests: ["fault-put-and-look", "pack-is-seen"],
	},
	{
		id: "errorIn200",
		happened: "200 with an error as its body",
		rule: "only a valid answer to a PUT counts",
		tests: ["fault-any-put"],
	},
	{
		id: "stale",
		happened: "a kept-alive connection is dead",
		rule: "a PUT on it is `unknown`; all idle connections are closed at once",
		tests: ["fault-pack-put", "s3-dead-connections"],
	},
	{
		id: "partialBody",
		happened: "the server receives half of the body",
		rule: "an object is stored completely or not at all; its length and checksum are declared",
		tests: ["fault-pack-put"],
	},
	{
		id: "twice",
		happened: "the server receives it twice",
		rule: "create-only: the second PUT is refused, and the slot has our bytes",
		tests: ["fault-put-and-look"],
	},
];
