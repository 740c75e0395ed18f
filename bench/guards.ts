/** The budgets that every test run holds. Each stands beside the code that it limits. */
import { FIRST_COMMIT_BUDGET, FLUSH_BUDGET } from "../packages/sidecar/src/capture/budget.ts";
import { IDLE_BUDGET } from "../packages/sidecar/src/daemon/budget.ts";
import { RESTORE_BUDGET } from "../packages/sidecar/src/restore/budget.ts";

/** `figure` ends in `Bytes`, or is a count. */
export type Limits = Readonly<Record<string, { readonly most: number; readonly source: string }>>;

const SOURCES = "packages/sidecar/src";

export const GUARDS = {
	"first commit": { limits: FIRST_COMMIT_BUDGET, owner: `${SOURCES}/capture/budget.ts` },
	restore: { limits: RESTORE_BUDGET, owner: `${SOURCES}/restore/budget.ts` },
	"flush of one file": { limits: FLUSH_BUDGET, owner: `${SOURCES}/capture/budget.ts` },
	idle: { limits: IDLE_BUDGET, owner: `${SOURCES}/daemon/budget.ts` },
} as const satisfies Readonly<Record<string, { readonly limits: Limits; readonly owner: string }>>;
