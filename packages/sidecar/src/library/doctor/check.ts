import { type ErrorCode, SidecarError, systemRefusal } from "../../errors.ts";
import type { DoctorContext } from "./patient.ts";

/** `not-tested` is not a verdict: a prerequisite is missing, or the test was not requested. */
export type CheckOutcome =
	| { readonly status: "ok" | "not-tested"; readonly found: string }
	| { readonly status: "warning"; readonly found: string; readonly remedy: string }
	| {
			readonly status: "problem";
			readonly found: string;
			readonly remedy: string;
			readonly code: ErrorCode;
	  };

export type CheckResult = CheckOutcome & { readonly name: string };

/** One question. It changes nothing; an exception is a problem. */
export interface Check {
	readonly name: string;
	/** If one of these is a problem, this check is not tested: a cause is reported once. */
	readonly needs?: readonly Check[];
	look(patient: DoctorContext): CheckOutcome | Promise<CheckOutcome>;
}

export const ok = (found: string): CheckOutcome => ({ status: "ok", found });
export const notTested = (found: string): CheckOutcome => ({ status: "not-tested", found });
export const warning = (found: string, remedy: string): CheckOutcome => ({
	status: "warning",
	found,
	remedy,
});

export function problem(error: unknown): CheckOutcome {
	const {
		code,
		message: found,
		remedy,
	} = error instanceof SidecarError
		? error
		: (systemRefusal(error) ?? new SidecarError("INTERNAL", { reason: String(error) }));
	return { status: "problem", found, remedy, code };
}

/** Runs all checks in sequence. A problem stops only the checks that need it. */
export async function runChecks(
	checks: readonly Check[],
	patient: DoctorContext,
): Promise<CheckResult[]> {
	const results: CheckResult[] = [];
	for (const check of checks) {
		const blocker = check.needs?.find(({ name }) =>
			results.some((result) => result.name === name && result.status === "problem"),
		);
		const outcome =
			blocker === undefined
				? await answer(check, patient)
				: notTested(`fix "${blocker.name}" first`);
		results.push({ name: check.name, ...outcome });
	}
	return results;
}

async function answer(check: Check, patient: DoctorContext): Promise<CheckOutcome> {
	try {
		return await check.look(patient);
	} catch (error) {
		return problem(error);
	}
}
