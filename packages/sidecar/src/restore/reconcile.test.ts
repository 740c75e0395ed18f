import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Entry, Tree } from "../log/types.ts";
import { type OnDisk, planExact, planReconcile } from "./reconcile.ts";

/**
 * A tiny world: on the disk, in the base and in the target, each path is absent or has one of three
 * contents.
 */
const contents = [undefined, 1n, 2n, 3n] as const;
const entryOf = (content: bigint | undefined): Entry | undefined =>
	content === undefined ? undefined : { type: "link", mtimeNs: 0n, target: `t${content}` };
const treeOf = (content: bigint | undefined): Tree =>
	new Map(content === undefined ? [] : [["p", entryOf(content) as Entry]]);

function actionFor(
	disk: bigint | undefined,
	base: bigint | undefined | "unknown",
	target: bigint | undefined,
	trust: boolean,
) {
	const there: OnDisk = {
		type: "link",
		likeTarget: disk !== undefined && disk === target,
		likeBase: disk !== undefined && disk === base,
	};
	const plan = planReconcile(
		new Map(disk === undefined ? [] : [["p", there]]),
		base === "unknown" ? undefined : treeOf(base),
		treeOf(target),
		() => trust,
	);
	return plan.get("p");
}

describe("planReconcile", () => {
	const anyCase = fc.tuple(
		fc.constantFrom(...contents),
		fc.constantFrom(...contents, "unknown" as const),
		fc.constantFrom(...contents),
		fc.boolean(),
	);

	it("never discards bytes that neither the log nor the base of this disk has", () => {
		fc.assert(
			fc.property(anyCase, ([disk, base, target, trust]) => {
				if (disk === undefined || disk === target || (base !== "unknown" && disk === base)) return;
				expect(["keep-local", "quarantine", "quarantine-and-write"]).toContain(
					actionFor(disk, base, target, trust),
				);
			}),
		);
	});

	it("never lets a local change win over a change in the log", () => {
		fc.assert(
			fc.property(anyCase, ([disk, base, target, trust]) => {
				if (target === undefined || base === target || disk === target) return;
				expect(["write", "quarantine-and-write"]).toContain(actionFor(disk, base, target, trust));
			}),
		);
	});

	it("accepts a deletion only if deletions are trusted", () => {
		fc.assert(
			fc.property(anyCase, ([disk, base, target, trust]) => {
				const kept = actionFor(disk, base, target, trust) === "keep-deleted";
				expect(kept).toBe(disk === undefined && target !== undefined && base === target && trust);
			}),
		);
	});

	it("touches nothing if disk, base and target agree", () => {
		expect(actionFor(1n, 1n, 1n, true)).toBe("keep");
		expect(actionFor(1n, 1n, undefined, true)).toBe("trash");
		expect(actionFor(1n, undefined, undefined, true)).toBe("keep-local");
	});
});

describe("planExact", () => {
	it("ends with exactly the target and discards nothing", () => {
		const like = (likeTarget: boolean): OnDisk => ({ type: "link", likeTarget, likeBase: false });
		const plan = planExact(
			new Map([
				["same", like(true)],
				["other", like(false)],
				["surplus", like(false)],
			]),
			new Map(["same", "other", "missing"].map((path) => [path, entryOf(1n) as Entry])),
		);
		expect([...plan]).toEqual([
			["same", "keep"],
			["other", "quarantine-and-write"],
			["missing", "write"],
			["surplus", "trash"],
		]);
	});
});
