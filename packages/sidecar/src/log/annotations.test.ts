import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyStep, deltaOf, infoOf } from "../../../testkit/arbitrary-log.ts";
import { annotationsAfter, compareAnnotations } from "./annotations.ts";
import { decodeCommit, encodeCommit } from "./commit-codec.ts";
import { advanceHead, EMPTY_HEAD, foldCommits, type Head, ownedHead } from "./fold.ts";
import { MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS } from "./limits.ts";
import type { Annotation, Delta } from "./types.ts";

const deltaWith = (changed: readonly string[], removed: readonly string[] = []): Delta => ({
	changed: new Map(changed.map((path) => [path, { type: "dir", mode: 0o700, mtimeNs: 0n }])),
	removed: new Set(removed),
});

const turn = (path: string, value: string): Annotation => ({ path, name: "turn", value });

describe("annotations", () => {
	it("come back from the log as the writer holds them, commit after commit", () => {
		fc.assert(
			fc.property(
				fc.array(fc.tuple(anyStep, fc.array(fc.tuple(fc.nat(9), fc.string()))), {
					minLength: 1,
					maxLength: 6,
				}),
				(steps) => {
					let written: Head = EMPTY_HEAD;
					let read: Head = EMPTY_HEAD;
					for (const [index, [step, values]] of steps.entries()) {
						const delta = deltaOf(written.tree, step);
						const paths = ["", ...delta.changed.keys()];
						const added = values.map(([pick, value]) =>
							turn(paths[pick % paths.length] as string, value.slice(0, 100)),
						);
						const annotations = annotationsAfter(written.annotations, delta, added);
						const info = infoOf(index + 1, {
							flags: index === 0 ? { fence: true } : {},
							fullSeq: written.fullSeq,
							previousId: written.id,
							...(annotations.length > 0 && { annotations }),
						});
						const commit = encodeCommit(info, delta, written.tree);
						const decoded = decodeCommit(commit.key, commit.bytes, commit.bytes.length);
						expect(decoded.info).toEqual(info);
						written = advanceHead(
							ownedHead(written),
							info,
							commit.id,
							commit.delta,
							decoded.inlineBytes,
						);
						read = foldCommits(read, [decoded]);
						expect(read.annotations).toEqual(annotations);
						expect(written.annotations).toEqual(annotations);
					}
				},
			),
			{ numRuns: 60 },
		);
	});

	it("end when their entry is changed or removed, and not before", () => {
		const before = [turn("a", "running"), turn("b", "running"), turn("c", "idle")];
		expect(annotationsAfter(before, deltaWith(["a", "x"], ["b"]), [])).toEqual([turn("c", "idle")]);
	});

	it("about the workspace hold until they are replaced", () => {
		const before = [{ path: "", name: "usage", value: "1" }];
		expect(annotationsAfter(before, deltaWith([""]), [])).toEqual(before);
		expect(
			annotationsAfter(before, deltaWith([""]), [{ path: "", name: "usage", value: "2" }]),
		).toEqual([{ path: "", name: "usage", value: "2" }]);
	});

	it("that the format does not allow are left out, and the others stay", () => {
		const kept = turn("kept", "idle");
		const long = turn("long", "x".repeat(MAX_ANNOTATION_BYTES + 1));
		const unnamed = { path: "a", name: "Not a name", value: "" };
		expect(annotationsAfter([], deltaWith([]), [long, kept, unnamed])).toEqual([kept]);
		const many = Array.from({ length: MAX_ANNOTATIONS + 1 }, (_, index) => turn(`${index}`, ""));
		expect(annotationsAfter([], deltaWith([]), many)).toHaveLength(MAX_ANNOTATIONS);
	});

	// @id foreign-annotations
	it("of a writer that does not own the tree do not count", () => {
		const owner = { fence: true };
		const first = infoOf(1, { flags: owner, annotations: [turn("", "idle")] });
		const empty = deltaWith([]);
		const one = encodeCommit(first, empty, new Map());
		const second = infoOf(2, {
			flags: owner,
			writer: "ab".repeat(16),
			fenceSeq: 2,
			previousId: one.id,
			annotations: [turn("", "idle")],
		});
		const two = encodeCommit(second, empty, new Map());
		const late = infoOf(3, {
			previousId: two.id,
			flags: { recovered: true },
			annotations: [turn("", "running")],
		});
		const three = encodeCommit(late, empty, new Map());
		const head = foldCommits(
			EMPTY_HEAD,
			[one, two, three].map(({ key, bytes }) => decodeCommit(key, bytes, bytes.length)),
		);
		expect(head.annotations).toEqual([turn("", "idle")]);
	});

	it("are refused by a reader if they are out of order", () => {
		const annotations = [turn("b", ""), turn("a", "")];
		expect([...annotations].sort(compareAnnotations)).toEqual([turn("a", ""), turn("b", "")]);
		const { key, bytes } = encodeCommit(
			infoOf(1, { flags: { fence: true }, annotations }),
			deltaWith([]),
			new Map(),
		);
		expect(() => decodeCommit(key, bytes, bytes.length)).toThrow(/not in order/);
	});
});
