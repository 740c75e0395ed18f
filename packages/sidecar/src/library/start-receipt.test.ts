import { expect, it } from "vitest";
import type { Head } from "../log/fold.ts";
import { startReceipt } from "./start-receipt.ts";

const NOTHING_OUTSIDE = {
	gaps: [],
	flags: [],
	ignoreLines: [],
	installedLinks: 0,
	unread: [],
	unresolved: [],
};
type Missing = readonly { path: string; files: number; bytes: number }[];
const sessionWith = (elsewhere: Missing, away: Missing = []) => {
	const head = { seq: 4, tree: new Map() } as unknown as Head;
	return {
		head,
		restored: {
			...{
				seq: 4,
				files: 2,
				bytes: 9,
				written: 2,
				timed: 0,
				keptLocal: 0,
				moved: [],
				elsewhere,
				away,
			},
			broughtBack: new Set<string>(),
		},
	};
};

it("a receipt is COMPLETE if this disk has everything in the log", () => {
	expect(startReceipt(sessionWith([]), NOTHING_OUTSIDE)).toEqual({
		verdict: "COMPLETE",
		commit: 4,
		files: 2,
		bytes: 9,
		missing: [],
		outside: [],
		unknown: [],
	});
});

// @id receipt-incomplete
it("a receipt is INCOMPLETE while this disk lacks something in the log", () => {
	const missing = [{ path: ".roots/notes", files: 1, bytes: 1 }];
	expect(startReceipt(sessionWith(missing), NOTHING_OUTSIDE)).toMatchObject({
		verdict: "INCOMPLETE",
		missing,
	});
});

it("a receipt is INCOMPLETE while a volume with files in the log is not mounted", () => {
	const missing = [{ path: "workspace", files: 3, bytes: 9 }];
	expect(startReceipt(sessionWith([], missing), NOTHING_OUTSIDE)).toMatchObject({
		verdict: "INCOMPLETE",
		missing,
	});
});

it("a receipt is INCOMPLETE while something is outside", () => {
	const gaps = [{ path: "/data", by: "the link data", kind: "outside" as const }];
	expect(startReceipt(sessionWith([]), { ...NOTHING_OUTSIDE, gaps })).toMatchObject({
		verdict: "INCOMPLETE",
		outside: ["/data"],
	});
});

// @id receipt-unknown
it("a receipt is INCOMPLETE while it is unknown which places the agent uses", () => {
	const unresolved = ["agents.defaults.workspace in openclaw.json: $" + "{DATA}/a"];
	const found = { ...NOTHING_OUTSIDE, unread: ["/ws/a.json"], unresolved };
	expect(startReceipt(sessionWith([]), found)).toMatchObject({
		verdict: "INCOMPLETE",
		outside: [],
		unknown: ["/ws/a.json", ...unresolved],
	});
});
