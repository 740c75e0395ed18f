/** Checks that exactly one of many simultaneous create-only puts of one object wins. */

import { thisEnvironment } from "../../commit/environment.ts";
import { SidecarError } from "../../errors.ts";
import { PACK_HEADER_BYTES, PackWriter } from "../../log/pack-codec.ts";
import type { ObjectStore, PutOutcome } from "../../store/port.ts";
import { type Check, type CheckOutcome, notTested, ok, problem } from "./check.ts";
import type { DoctorContext } from "./patient.ts";
import { conditionalWrites, credentials, endpoint, get, put, UNREACHABLE } from "./store-checks.ts";

/**
 * The first round opens the connections, so that the puts of later rounds arrive closer together.
 */
const ROUNDS = 4;
const PUTS_AT_ONCE = 12;

export const atomicPut: Check = {
	name: "create-only put is atomic",
	needs: [endpoint, credentials, put, conditionalWrites, get],
	look: async (patient: DoctorContext) => {
		if (!(await patient.isReachable())) return notTested(UNREACHABLE);
		if ((await patient.probe()).kind === "not-made")
			return notTested("the store's directory does not exist yet");
		const store = await patient.store();
		for (let round = 0; round < ROUNDS; round++) {
			const bad = classifyRace(await race(store, patient.options.signal));
			if (bad !== undefined) return bad;
		}
		return ok(
			`${PUTS_AT_ONCE} concurrent puts of one object, ${ROUNDS} times: each time one was accepted, and its object stayed`,
		);
	},
};

export interface Race {
	readonly key: string;
	readonly outcomes: readonly PutOutcome["kind"][];
	/** Index of the put whose body is stored afterwards; -1: none of them, or no object. */
	readonly stayed: number;
}

/**
 * Puts different empty packs, all under one unused key. They are like `PROBE`: nothing refers to
 * the remaining object, and retention removes it.
 */
async function race(store: ObjectStore, signal: AbortSignal | undefined): Promise<Race> {
	const bodies = Array.from({ length: PUTS_AT_ONCE }, () =>
		new PackWriter(Buffer.alloc(PACK_HEADER_BYTES), thisEnvironment.randomBytes(16)).finish(),
	);
	const key = bodies[0]?.key as string;
	const outcomes = await Promise.all(
		bodies.map(async ({ bytes }) => (await store.putIfAbsent(key, bytes, { signal })).kind),
	);
	const there = await store.get(key, { signal }).catch((error: unknown) => {
		if (error instanceof SidecarError && error.code === "OBJECT_NOT_FOUND") return undefined;
		throw error;
	});
	return { key, outcomes, stayed: bodies.findIndex(({ bytes }) => there?.body.equals(bytes)) };
}

/**
 * Undefined if all is well. A put without a clear answer (409, a timeout) may have won if no other
 * did.
 */
export function classifyRace({ key, outcomes, stayed }: Race): CheckOutcome | undefined {
	const won = outcomes.flatMap((kind, index) => (kind === "created" ? [index] : []));
	const refuse = (reason: string) =>
		problem(
			new SidecarError("STORE_UNSUPPORTED", {
				value: key,
				reason: `${reason}: two writers can both get a success for one commit, and one of the commits is lost`,
				remedy:
					"use a store whose create-only PUT (If-None-Match: *) is atomic; docs/stores.md lists stores that were tried",
			}),
		);
	if (won.length > 1)
		return refuse(
			`${won.length} of ${outcomes.length} concurrent create-only puts of one object were accepted`,
		);
	const [winner] = won;
	if (winner !== undefined && winner !== stayed)
		return refuse("the object that stayed is not the one whose create-only put was accepted");
	const mayHaveWon = winner !== undefined || outcomes[stayed] === "unknown";
	if (mayHaveWon) return undefined;
	if (stayed !== -1)
		return refuse("the object that stayed comes from a create-only put that was refused");
	return problem(
		new SidecarError("STORE_UNREACHABLE", {
			value: key,
			reason: `none of ${outcomes.length} concurrent puts was accepted, and no object exists`,
		}),
	);
}
