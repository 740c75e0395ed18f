import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assertNamespace } from "../store/namespaced.ts";
import { decodeNamespace, encodeUserId } from "./namespace-code.ts";

const userId = fc
	.string({ unit: "binary", minLength: 1, maxLength: 200 })
	.filter((text) => text.isWellFormed());
/** Ids built from the characters of the encoding itself. */
const trickyId = fc
	.array(
		fc.constantFrom("=", ".", "=2E", "=sha256-", "a", "A", "/", "..", "é", "\0", "*", "$", "{"),
		{ minLength: 1, maxLength: 40 },
	)
	.map((parts) => parts.join(""));
const anyId = fc.oneof(userId, trickyId);

describe("user ids as namespaces", () => {
	test.each([
		["alice", "alice"],
		["auth0|507f1f77", "auth0=7C507f1f77"],
		["alice@example.org", "alice@example.org"],
		["../../other", "=2E.=2F..=2Fother"],
		["=2E", "=3D2E"],
		["Ω", "=CE=A9"],
		["*", "=2A"],
	])("%s -> %s", (id, namespace) => expect(encodeUserId(id)).toBe(namespace));

	test("are namespaces that the store accepts", () => {
		fc.assert(
			fc.property(anyId, (id) => {
				const namespace = encodeUserId(id);
				expect(() => assertNamespace(namespace)).not.toThrow();
				expect(namespace).not.toMatch(/^\.|[/*?$]/);
			}),
		);
	});

	test("decode to the id, or contain its hash if it was too long", () => {
		fc.assert(
			fc.property(anyId, (id) => {
				const namespace = encodeUserId(id);
				if (namespace.startsWith("=sha256-")) expect(namespace).toHaveLength(72);
				expect(decodeNamespace(namespace)).toBe(namespace.startsWith("=sha256-") ? undefined : id);
			}),
		);
	});

	test("never collide", () => {
		fc.assert(
			fc.property(anyId, anyId, (a, b) => {
				fc.pre(a !== b);
				expect(encodeUserId(a)).not.toBe(encodeUserId(b));
			}),
		);
	});

	test("differ from another id's hash even if the id looks like one", () => {
		const long = "x".repeat(129);
		const hashed = encodeUserId(long);
		expect(hashed).toMatch(/^=sha256-[0-9a-f]{64}$/);
		expect(encodeUserId("x".repeat(128))).toBe("x".repeat(128));
		expect(encodeUserId(hashed)).not.toBe(hashed);
	});

	test.each(["", "\ud800", "a\udfff"])("%j is refused", (id) => {
		expect(() => encodeUserId(id)).toThrow(expect.objectContaining({ code: "IDENTITY_REFUSED" }));
	});

	test.each(["", ".a", "=2e", "=41", "=FF", "a=", "default/x"])(
		"%j is not a namespace of this encoding",
		(namespace) => {
			expect(decodeNamespace(namespace)).toBeUndefined();
		},
	);
});
