import { describe, expect, test, vi } from "vitest";
import { SidecarError } from "../errors.ts";
import { recordingLogger } from "../telemetry/logger.ts";
import { HttpRefusal } from "./http-refusal.ts";
import type { Identity } from "./identity.ts";
import { Life } from "./life.ts";
import { UserToken } from "./user-token.ts";
import type { ClockReading } from "./wake.ts";

const never = new AbortController().signal;
const proofOf = (user: string) => ({ authorization: user, payloadToken: undefined });

/** A life that trusts its users' identities, and whose starts end when they are told to. */
function born(options: { readonly maxWaiting?: number; readonly waitTimeoutMs?: number } = {}) {
	const logger = recordingLogger();
	const starts: { namespace: string; settle: (error?: unknown) => void }[] = [];
	const offered: (string | undefined)[] = [];
	const clocks = { wallMs: 1e12, bootMs: 0, monotonicMs: 0 };
	const state = { notDurableForMs: undefined as number | undefined, firstPings: 0 };
	const life = new Life({
		identity: {
			identify: async ({ authorization = "" }) => {
				if (authorization === "")
					throw new SidecarError("IDENTITY_REFUSED", { reason: "the token is missing" });
				return {
					namespace: authorization,
					token: new UserToken(`jwt-${authorization}`, 1, 2),
				} satisfies Identity;
			},
			credentials: () => ({
				renewing: undefined as never,
				offer: (token) => offered.push(token?.reveal()),
			}),
		},
		start: async (namespace) => {
			const { promise, resolve, reject } = Promise.withResolvers<void>();
			starts.push({
				namespace,
				settle: (error) => (error === undefined ? resolve() : reject(error)),
			});
			await promise;
		},
		onFirstPing: () => state.firstPings++,
		notDurableForMs: () => state.notDurableForMs,
		maxWaiting: options.maxWaiting ?? 10,
		waitTimeoutMs: options.waitTimeoutMs ?? 60_000,
		logger,
		readClocks: (): ClockReading => ({ ...clocks }),
	});
	const admit = async (user: string, signal = never) => await life.admit(proofOf(user), signal);
	/** Lets pending work proceed as far as it can. */
	const settled = async () => await new Promise((resolve) => setImmediate(resolve));
	return { life, logger, starts, offered, clocks, state, admit, settled };
}

const refusal = (status: number, code: string) =>
	expect.objectContaining({ status, error: expect.objectContaining({ code }) });

describe("the first request", () => {
	test("starts the machine, once for all requests that arrive meanwhile", async () => {
		const { life, starts, admit, settled } = born();
		expect([life.phase, life.namespace, starts]).toEqual(["waiting", undefined, []]);
		const admitted = Promise.all([admit("anna"), admit("anna"), admit("anna")]);
		await settled();
		expect([life.phase, starts.length]).toEqual(["restoring", 1]);
		starts[0]?.settle();
		expect(await admitted).toEqual(["anna", "anna", "anna"]);
		expect(life.phase).toBe("serving");
		expect(await admit("anna")).toBe("anna");
		expect(starts).toHaveLength(1);
	});

	test("starts nothing without proof of identity, and is audited without its content", async () => {
		const { life, logger, starts, admit } = born();
		await expect(admit("")).rejects.toMatchObject({ code: "IDENTITY_REFUSED" });
		expect([life.phase, life.namespace, starts]).toEqual(["waiting", undefined, []]);
		expect(logger.events).toMatchObject([{ event: "security.identity-refused", kind: "security" }]);
	});

	// @id failed-start-retried
	test("gets the reason if its start fails, and the next one tries again, for the same user only", async () => {
		const { life, starts, admit, settled } = born();
		const first = admit("anna");
		await settled();
		const denied = new SidecarError("STORE_ACCESS_DENIED");
		starts[0]?.settle(denied);
		await expect(first).rejects.toBe(denied);
		expect([life.phase, life.namespace, life.lastFailure]).toEqual(["waiting", "anna", denied]);
		await expect(admit("bob")).rejects.toMatchObject({ code: "NAMESPACE_FOREIGN" });
		const second = admit("anna");
		await settled();
		starts[1]?.settle();
		expect(await second).toBe("anna");
	});
});

describe("a machine that belongs to a user", () => {
	test("refuses another user in every phase, and audits it", async () => {
		const { life, logger, starts, admit, settled } = born();
		const anna = admit("anna");
		await settled();
		await expect(admit("bob")).rejects.toMatchObject({ code: "NAMESPACE_FOREIGN" });
		starts[0]?.settle();
		await anna;
		await expect(admit("bob")).rejects.toMatchObject({ code: "NAMESPACE_FOREIGN" });
		await life.drain();
		await expect(admit("bob")).rejects.toMatchObject({ code: "NAMESPACE_FOREIGN" });
		const audits = logger.events.filter(({ event }) => event === "security.namespace-refused");
		expect(audits).toHaveLength(3);
		expect(audits[0]).toMatchObject({
			kind: "security",
			fields: { namespace: "anna", asked: "bob" },
		});
	});

	test("keeps its user's newer tokens, and never another user's", async () => {
		const { starts, offered, admit, settled } = born();
		const anna = admit("anna");
		await settled();
		starts[0]?.settle();
		await anna;
		await admit("anna");
		await admit("bob").catch(() => {});
		expect(new Set(offered)).toEqual(new Set(["jwt-anna"]));
	});
});

describe("requests that wait", () => {
	test("are limited in number", async () => {
		const { starts, admit, settled } = born({ maxWaiting: 2 });
		const waiting = [admit("anna"), admit("anna")];
		await settled();
		await expect(admit("anna")).rejects.toEqual(refusal(503, "NOT_READY"));
		starts[0]?.settle();
		await Promise.all(waiting);
	});

	test("are limited in time, while the start continues", async () => {
		const { life, starts, admit } = born({ waitTimeoutMs: 1 });
		const error = await admit("anna").catch((thrown: unknown) => thrown);
		expect(error).toEqual(refusal(503, "NOT_READY"));
		expect((error as HttpRefusal).headers).toEqual({ "retry-after": "5" });
		starts[0]?.settle();
		await expect.poll(() => life.phase).toBe("serving");
	});

	test("end when their caller disconnects, while the start continues", async () => {
		const { life, starts, admit, settled } = born();
		const caller = new AbortController();
		const anna = admit("anna", caller.signal);
		await settled();
		caller.abort(new Error("gone"));
		await expect(anna).rejects.toThrow("gone");
		expect(life.phase).toBe("restoring");
		starts[0]?.settle();
		await expect.poll(() => life.phase).toBe("serving");
	});

	test.each([undefined, new Error("cut off")])(
		"are refused when the machine is told to stop before it serves (%s)",
		async (how) => {
			const { life, starts, admit, settled } = born();
			const anna = admit("anna");
			await settled();
			const drained = life.drain();
			starts[0]?.settle(how);
			await drained;
			expect(life.lastFailure).toBeUndefined();
			await expect(anna).rejects.toEqual(refusal(503, "NOT_READY"));
			expect(life.phase).toBe("draining");
			await expect(life.request(async () => {})).rejects.toBeInstanceOf(HttpRefusal);
		},
	);
});

describe("ping", () => {
	test("is busy while restoring, answering and not durable, and its time is that of the change", async () => {
		const { life, starts, state, admit, settled } = born();
		expect(life.ping().status).toBe("Healthy");
		const answered = life.request(async () => await admit("anna"));
		await settled();
		expect(life.ping().status).toBe("HealthyBusy");
		state.notDurableForMs = 100;
		starts[0]?.settle();
		await answered;
		expect(life.ping().status).toBe("HealthyBusy");
		state.notDurableForMs = undefined;
		expect(life.ping().status).toBe("Healthy");
		expect(Number.isInteger(life.ping().time_of_last_update)).toBe(true);
	});

	test("calls back once it was answered for the first time", async () => {
		const { life, settled, state } = born();
		expect([life.ping().status, state.firstPings]).toEqual(["Healthy", 0]);
		life.ping();
		await settled();
		expect(state.firstPings).toBe(1);
	});

	test("of a copied machine has the time of its waking, not of the copy", () => {
		vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
		try {
			const { life, logger, clocks } = born();
			expect(life.ping()).toEqual({ status: "Healthy", time_of_last_update: 1_000 });
			vi.setSystemTime(1_007_000);
			expect(life.ping().time_of_last_update).toBe(1_000);
			vi.setSystemTime(9_000_000);
			clocks.wallMs += 8_000_000;
			expect(life.ping()).toEqual({ status: "Healthy", time_of_last_update: 9_000 });
			expect(logger.events).toMatchObject([
				{ event: "machine.woke", fields: { jumpMs: 8_000_000 } },
			]);
		} finally {
			vi.useRealTimers();
		}
	});
});
