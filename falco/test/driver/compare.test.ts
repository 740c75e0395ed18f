import { expect, test } from "vitest";
import { type Alert, differences } from "./compare.ts";

const ONE = { rule: "R", kind: "syscall" } as const;
const alert = (rule: string, fields: Record<string, unknown>): Alert => ({
	rule,
	priority: "Critical",
	output: `${rule} ${fields["fd.name"]}`,
	output_fields: fields,
});

test("the comparison accepts exactly the expected alerts, by rule, user, file and number", () => {
	const expected = [
		{ does: "a", file: "/proc/<pid>/environ" },
		{ does: "b", count: 2, uid: 0 },
	];
	const right = [
		alert("R", { "user.uid": 10001, "fd.name": "/proc/17/environ" }),
		alert("R", { "user.uid": 0 }),
		alert("R", { "user.uid": 0, "fd.name": null }),
	];
	expect(differences(ONE, expected, right)).toEqual([]);
	expect(differences(ONE, [], [])).toEqual([]);
	expect(differences(ONE, expected, right.slice(1))).toEqual([
		'expected 1, got 0: "R" on /proc/<pid>/environ (a)',
	]);
	expect(differences(ONE, expected, [...right, alert("R", { "user.uid": 0 })])).toEqual([
		'expected 2, got 3: "R" (b)',
	]);
});

test("an alert of another rule, user or file is reported as unexpected", () => {
	const expected = [{ does: "a", file: "/etc/shadow" }];
	for (const wrong of [
		alert("S", { "user.uid": 10001, "fd.name": "/etc/shadow" }),
		alert("R", { "user.uid": 0, "fd.name": "/etc/shadow" }),
		alert("R", { "user.uid": 10001, "fd.name": "/etc/shadow.bak" }),
	])
		expect(differences(ONE, expected, [wrong])).toEqual([
			expect.stringContaining("expected 1, got 0"),
			expect.stringContaining("not expected"),
		]);
	expect(differences(ONE, [], [alert("R", { "user.uid": 10001 })])).toHaveLength(1);
});

test("a removed or renamed path counts as the file, a record by its id", () => {
	expect(
		differences(
			ONE,
			[{ does: "a", file: "/w" }],
			[alert("R", { "user.uid": 10001, "fd.name": null, "fs.path.source": "/w" })],
		),
	).toEqual([]);
	const trail = { rule: "R", kind: "cloudtrail" } as const;
	expect(differences(trail, [{ does: "a", event: "e1" }], [alert("R", { "ct.id": "e1" })])).toEqual(
		[],
	);
	expect(
		differences(trail, [{ does: "a", event: "e1" }], [alert("R", { "ct.id": "e2" })]),
	).toHaveLength(2);
});
