/**
 * Checks the store: its location, the identity in use, and each operation that the log needs, one
 * by one.
 */
import { SidecarError } from "../../errors.ts";
import { logKey } from "../../log/keys.ts";
import type { Permission } from "../../store/s3-forbidden.ts";
import type { CredentialsFound } from "../../store/s3-identity.ts";
import { humanDuration } from "../../telemetry/format.ts";
import { type Check, type CheckOutcome, notTested, ok, problem, warning } from "./check.ts";
import { type DoctorContext, PROBE, requireDecided } from "./patient.ts";

export const endpoint: Check = {
	name: "store",
	look: async (patient) => {
		const { location, settings } = patient;
		if (location === undefined)
			return ok(`${(await patient.store()).url}, opened by the program that calls`);
		if (location.kind === "directory")
			return ok(`directory ${location.path}, namespace ${settings.namespace}`);
		const identity = await identify(patient);
		try {
			const where =
				identity.endpoint === undefined
					? `S3 in ${identity.region}`
					: `${identity.endpoint}, region ${identity.region}`;
			return ok(`bucket ${location.bucket} at ${where}, namespace ${settings.namespace}`);
		} finally {
			identity.close();
		}
	},
};

export const credentials: Check = {
	name: "credentials",
	look: async (patient) => {
		if (patient.location?.kind !== "s3") return notTested("this store needs none");
		const identity = await identify(patient);
		try {
			return classifyCredentials(await identity.credentials(), Date.now());
		} finally {
			identity.close();
		}
	},
};

const SOON_MS = 5 * 60_000;

export function classifyCredentials(
	{ source, isTemporary, expiresMs }: CredentialsFound,
	nowMs: number,
): CheckOutcome {
	const kind = isTemporary ? "temporary" : "long-lived";
	if (expiresMs === undefined) {
		if (isTemporary)
			return ok(
				`${kind}, from ${source}; their expiry is unknown, and they cannot be renewed automatically`,
			);
		return warning(
			`${kind}, from ${source}`,
			"fine on your own machine; in production give the sidecar a role, whose credentials expire",
		);
	}
	const left = expiresMs - nowMs;
	if (left <= 0) {
		return problem(
			new SidecarError("STORE_ACCESS_DENIED", {
				reason: `the credentials from ${source} expired ${humanDuration(-left)} ago`,
				remedy: "renew them",
			}),
		);
	}
	const found = `${kind}, from ${source}, for another ${humanDuration(left)}`;
	return left < SOON_MS ? warning(found, "make sure that they are renewed in time") : ok(found);
}

export const list: Check = {
	name: "permission: list",
	needs: [endpoint, credentials],
	look: async (patient) => {
		const { seq, roundTripMs } = await patient.listing();
		return ok(
			`allowed, ${humanDuration(roundTripMs)}; ${seq === 0 ? "the log is empty" : `the newest commit is ${seq}`}`,
		);
	},
};

export const clock: Check = {
	name: "clock",
	look: async (patient) => {
		if (patient.location?.kind === "directory")
			return notTested("a directory has no separate clock");
		return classifyClock(await clockOffMs(patient));
	},
};

/** S3 refuses a signature that is 15 min off; half of it is a warning. */
const REFUSED_MS = 15 * 60_000;
const TICK_MS = 1_000;

/** @param offMs ours minus the store's; undefined if the store did not tell */
export function classifyClock(offMs: number | undefined): CheckOutcome {
	if (offMs === undefined) return notTested("the store did not answer");
	const off = Math.abs(offMs);
	// The header has whole seconds.
	const found =
		off <= 2 * TICK_MS
			? "the same as the store's, to a second"
			: `${humanDuration(off)} ${offMs > 0 ? "ahead of" : "behind"} the store's`;
	if (off >= REFUSED_MS) {
		return problem(
			new SidecarError("STORE_ACCESS_DENIED", {
				reason: `this machine's clock is ${found}; S3 refuses requests that are more than 15 min off`,
				remedy: "set the clock (chrony, ntpd), then run again",
			}),
		);
	}
	return off >= REFUSED_MS / 3
		? warning(found, "set the clock: from 15 min on S3 refuses every request")
		: ok(found);
}

/** A refusal tells the time too. */
async function clockOffMs(patient: DoctorContext): Promise<number | undefined> {
	try {
		const { ourTimeMs, storeTimeMs } = await patient.listing();
		return ourTimeMs - storeTimeMs;
	} catch (error) {
		const cause = error instanceof SidecarError ? error.cause : undefined;
		const dateMs =
			typeof cause === "object" && cause !== null && "dateMs" in cause ? cause.dateMs : undefined;
		return typeof dateMs === "number" ? Date.now() - dateMs : undefined;
	}
}

export const put: Check = {
	name: "permission: create-only put",
	needs: [endpoint, credentials],
	look: async (patient) => {
		if (!(await patient.isReachable())) return notTested(UNREACHABLE);
		const { kind } = requireDecided(await patient.probe());
		if (kind === "not-made")
			return notTested("the store's directory does not exist yet; the first commit creates it");
		return ok(kind === "created" ? "allowed" : "allowed; the probe existed already");
	},
};

export const conditionalWrites: Check = {
	name: "create-only put is honoured",
	needs: [endpoint, credentials, put],
	look: async (patient) => {
		if (!(await patient.isReachable())) return notTested(UNREACHABLE);
		const first = requireDecided(await patient.probe());
		if (first.kind === "not-made") return notTested("the store's directory does not exist yet");
		const again =
			first.kind === "exists"
				? first
				: requireDecided(await (await patient.store()).putIfAbsent(PROBE.key, PROBE.bytes));
		if (again.kind === "exists") return ok("a second put of the same object is refused");
		return problem(
			new SidecarError("STORE_UNSUPPORTED", {
				value: PROBE.key,
				reason:
					"a second create-only put of the same object was accepted: this store overwrites, so two writers could lose each other's commits",
			}),
		);
	},
};

export const get: Check = {
	name: "permission: get",
	needs: [endpoint, credentials],
	look: async (patient) => {
		if (!(await patient.isReachable())) return notTested(UNREACHABLE);
		const store = await patient.store();
		const seq = await patient.listing().then(
			(found) => found.seq,
			() => 0,
		);
		try {
			await store.get(seq > 0 ? logKey(seq) : PROBE.key, { range: { offset: 0, length: 1 } });
			return ok("allowed");
		} catch (error) {
			if (!(error instanceof SidecarError) || error.code !== "OBJECT_NOT_FOUND") throw error;
			return seq > 0 ? problem(error) : ok("allowed; nothing is there yet");
		}
	},
};

export const forbidden: Check = {
	name: "overwrite and delete are denied",
	needs: [endpoint, credentials, put],
	look: async (patient) => {
		const { location, options, settings } = patient;
		if (location?.kind !== "s3") return notTested("only a bucket's policy can deny them");
		if (!options.tryForbidden)
			return notTested(
				"an attempt would raise alarms; --try-forbidden tries both on the probe object",
			);
		if (!(await patient.isReachable())) return notTested(UNREACHABLE);
		requireDecided(await patient.probe());
		const { tryForbidden } = await import("../../store/s3-forbidden.ts");
		const prefix = location.prefix === "" ? "" : `${location.prefix}/`;
		const key = `${prefix}users/${settings.namespace}/${PROBE.key}`;
		const tried = await tryForbidden(
			{ ...patient.connection, bucket: location.bucket },
			key,
			PROBE.bytes,
		);
		return classifyForbidden(tried.overwrite, tried.delete);
	},
};

export function classifyForbidden(overwrite: Permission, remove: Permission): CheckOutcome {
	const found = `overwrite ${wordsOf(overwrite)}, delete ${wordsOf(remove)}`;
	if (overwrite.kind === "denied" && remove.kind === "denied")
		return ok(`${found}: with these credentials nobody can destroy history`);
	return warning(
		found,
		"give the sidecar credentials that may only list, get and put, and let the bucket's policy demand If-None-Match: *; until then a stolen credential can destroy history",
	);
}

function wordsOf(permission: Permission): string {
	return permission.kind === "unclear" ? `unclear (${permission.reason})` : permission.kind;
}

export const UNREACHABLE = "the store cannot be reached";

async function identify(patient: DoctorContext) {
	const { identifyS3 } = await import("../../store/s3-identity.ts");
	return await identifyS3(patient.connection);
}
