import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Entry, Tree } from "../log/types.ts";
import { type Action, type OnDisk, planExact, planReconcile, planTimes } from "./reconcile.ts";

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

describe("planTimes", () => {
	const [SECOND, NEVER] = [1_000_000_000n, undefined];
	const at = (time: bigint | undefined): Tree =>
		new Map(
			time === undefined ? [] : [["p", { type: "link", mtimeNs: time * SECOND, target: "t" }]],
		);
	const isRetimed = (
		disk: bigint | undefined,
		base: bigint | undefined,
		target: bigint,
		action: Action = "keep",
	) =>
		planTimes(
			new Map([["p", action]]),
			() => (disk === undefined ? undefined : disk * SECOND),
			base === undefined ? undefined : at(base),
			at(target),
		).has("p");

	// @id local-times-stay
	it("sets the log's newer time where the disk's is still the base's, and never over one set here", () => {
		const time = fc.constantFrom(1n, 2n, 3n);
		fc.assert(
			fc.property(fc.option(time, { nil: NEVER }), time, time, (disk, base, target) => {
				expect(isRetimed(disk, base, target)).toBe(
					disk !== undefined && disk === base && disk !== target,
				);
			}),
		);
	});

	it("takes the log's time if the base is unknown or lacks the path, as for content", () => {
		expect(isRetimed(1n, undefined, 2n)).toBe(true);
		const lacking = planTimes(new Map([["p", "keep"]]), () => SECOND, new Map(), at(2n));
		expect([...lacking]).toEqual(["p"]);
	});

	it("leaves alone what is written, edited, gone, or off by less than a microsecond", () => {
		for (const action of ["write", "keep-local", "keep-deleted"] as const)
			expect(isRetimed(1n, 1n, 2n, action)).toBe(false);
		const rounded = planTimes(new Map([["p", "keep"]]), () => SECOND + 238n, at(1n), at(1n));
		expect(rounded.size).toBe(0);
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
