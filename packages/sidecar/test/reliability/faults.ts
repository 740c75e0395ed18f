import type { Row } from "./rows.ts";

/** The faults that the fault proxy injects. */
export const FAULTS: readonly Row[] = [
	{
		id: "drop",
		happened: "the request never arrives, and nobody answers",
		rule: "`unknown` is neither yes nor no: the very same bytes are put again",
		tests: ["fault-any-put"],
	},
	{
		id: "dropAnswer",
		happened: "the server has it, and nobody answers",
		rule: "the same bytes again are refused, and the id in the slot says whose they are",
		tests: ["fault-any-put", "lost-answer-not-repeated"],
	},
	{
		id: "delay",
		happened: "arrives late",
		rule: "timeouts are for silence, not for a whole transfer",
		tests: ["fault-put-and-look"],
	},
	{
		id: "truncate",
		happened: "the answer ends in its middle",
		rule: "an answer that is not whole is none; bodies are checked by length and SHA-256",
		tests: ["fault-put-and-look"],
	},
	{
		id: "resetBefore",
		happened: "the line breaks before the server saw anything",
		rule: "as drop",
		tests: ["fault-pack-put"],
	},
	{
		id: "resetAfter",
		happened: "the server has it, the line breaks",
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
		happened: "500, although the server has it",
		rule: "as dropAnswer: a 5xx is never a no",
		tests: ["fault-any-put"],
	},
	{
		id: "slowDown503",
		happened: "503 SlowDown",
		rule: "as drop, after a pause that doubles",
		tests: ["fault-any-put"],
	},
	{
		id: "conflict409",
		happened: "409: another request for the key is being decided",
		rule: "as drop",
		tests: ["fault-any-put"],
	},
	{
		id: "precondition412",
		happened: "412, true or not",
		rule: "what is in the slot is read and compared before anything is believed",
		tests: ["fault-put-and-look", "pack-is-seen"],
	},
	{
		id: "errorIn200",
		happened: "200 with an error for a body",
		rule: "the answer of a PUT must be that of a PUT",
		tests: ["fault-any-put"],
	},
	{
		id: "stale",
		happened: "the kept connection is dead",
		rule: "a PUT on it is `unknown`; all idle connections are given up at once",
		tests: ["fault-pack-put", "s3-dead-connections"],
	},
	{
		id: "partialBody",
		happened: "the server gets half of the body",
		rule: "an object is there whole or not at all; its length and checksum are declared",
		tests: ["fault-pack-put"],
	},
	{
		id: "twice",
		happened: "the server gets it twice",
		rule: "create-only: the second is refused, and the slot holds ours",
		tests: ["fault-put-and-look"],
	},
];
