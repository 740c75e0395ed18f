/**
 * openclaw-sidecar as a library: the verbs of the command line, as functions.
 *
 * Every failure is a `SidecarError` with a stable `code`. `ERRORS` gives each code's meaning, its
 * remedy, and the command's exit status. Defaults are those of docs/configuration.md. The library
 * prints nothing and handles no signals.
 *
 * @example
 * import { restore } from "openclaw-sidecar";
 *
 * const options = { store: "s3://my-bucket", namespace: "anna", profile: "plain" } as const;
 * await restore({ ...options, workspace: "/tmp/look", at: "2h" });
 */
export { decodeNamespace, encodeUserId } from "./agentcore/namespace-code.ts";
export type { Excluded, SecretPolicy } from "./capture/secret-guard.ts";
export type { QuarantinedWriter } from "./commit/quarantined.ts";
export type { RootElsewhere } from "./commit/roots-in-tree.ts";
export type { TrashEntry, TrashOfRestore } from "./disk/trash.ts";
export {
	ERRORS,
	type ErrorCode,
	type ErrorDetail,
	type ErrorSpec,
	SidecarError,
} from "./errors.ts";
export type { AboutTurns } from "./history/about-turns.ts";
export type { CommitChanges, MissingCommits } from "./history/commit-changes.ts";
export type { ContentDifference, TableDifference } from "./history/compare-content.ts";
export type { TextDifference } from "./history/diff-text.ts";
export type { HistoryEntry, ReadableEntry, UnreadableEntry } from "./history/history.ts";
export type { FoundPath, PathChange, PathChangeKind } from "./history/path-history.ts";
export type { QuarantineTimes } from "./history/quarantine-times.ts";
export type { MarkProblem } from "./history/reachable.ts";
export { type Comparison, type DiffOptions, diff } from "./library/diff.ts";
export {
	type CheckOutcome,
	type CheckResult,
	type Diagnosis,
	type DoctorOptions,
	doctor,
	type Explanation,
	explain,
} from "./library/doctor.ts";
export { type ExportOptions, type ExportResult, exportTree } from "./library/export.ts";
export { type FlushOptions, type FlushReport, flush } from "./library/flush.ts";
export { type ImportOptions, type ImportResult, importTree } from "./library/import.ts";
export {
	type AgentFound,
	findAgents,
	findStores,
	type InitOptions,
	type InitResult,
	init,
	type LargeDirectory,
	largestDirectories,
	type StoreFound,
} from "./library/init.ts";
export {
	type ChangesOptions,
	changes,
	type DiffContentsOptions,
	diffContents,
	type FindOptions,
	find,
	type PathContentDifference,
	type PathHistoryOptions,
	pathHistory,
} from "./library/look.ts";
export type { Expectation, LogOptions, WorkspaceOptions } from "./library/options.ts";
export { type PlannedRestore, planRestore, planRollback } from "./library/plan-restore.ts";
export {
	type AtOptions,
	type CatOptions,
	cat,
	type HistoryOptions,
	history,
	type Listing,
	type LsOptions,
	ls,
} from "./library/read.ts";
export {
	listQuarantined,
	type QuarantineListing,
	type QuarantineOptions,
	type RecoverApplied,
	type RecoverApplyOptions,
	type RecoverDropOptions,
	type RecoverDropped,
	type RecoveredTo,
	type RecoverToOptions,
	recoverApply,
	recoverDrop,
	recoverTo,
} from "./library/recover.ts";
export { type RepairOptions, type RepairResult, repair } from "./library/repair.ts";
export { type RestoreOptions, type RestoreResult, restore } from "./library/restore.ts";
export {
	type PathsResult,
	type RestorePathsOptions,
	restorePaths,
} from "./library/restore-paths.ts";
export {
	type NamespacesOptions,
	namespaces,
	type PolicyOptions,
	type RetainOptions,
	retain,
} from "./library/retain.ts";
export { type RollbackOptions, type RollbackResult, rollback } from "./library/rollback.ts";
export { type RunOptions, type RunResult, run } from "./library/run.ts";
export { type ServeOptions, type ServeResult, serve } from "./library/serve.ts";
export {
	installService,
	type Kept,
	removeService,
	type ServiceOptions,
	type ServiceStatus,
	type ServiceUnit,
	type ServiceUnitOptions,
	serviceStatus,
	serviceUnit,
} from "./library/service.ts";
export {
	type DaemonReport,
	status,
	type Verdict,
	type WatchOptions,
	type WorkspaceStatus,
	watchStatus,
} from "./library/status.ts";
export { type ListedTag, type TagOptions, tag, tags, untag } from "./library/tag.ts";
export {
	type EmptiedTrash,
	type EmptyTrashOptions,
	emptyTrash,
	listTrash,
	type TrashOptions,
	type TrashToOptions,
	trashTo,
} from "./library/trash.ts";
export { type UndoOptions, type UndoResult, undo } from "./library/undo.ts";
export { type VerifyOptions, verify } from "./library/verify.ts";
export {
	type PathAnswer,
	type PathCode,
	type PathRule,
	type WhyOptions,
	why,
} from "./library/why.ts";
export type { Aspect, PathDifference } from "./log/diff-trees.ts";
export type { RetentionPolicy, StoredObject } from "./log/plan-retention.ts";
export type { Turn } from "./log/turns.ts";
export type {
	Annotation,
	ChunkRef,
	CommitFlags,
	CommitInfo,
	DirEntry,
	Entry,
	FileEntry,
	LinkEntry,
	Path,
} from "./log/types.ts";
export type { Removal } from "./maintenance/repair.ts";
export type { ObjectSum, RetentionReport } from "./maintenance/retain.ts";
export type { Tagged } from "./maintenance/tag.ts";
export type { Damage, Verification } from "./maintenance/verify.ts";
export type { RestoreChange } from "./restore/planned-changes.ts";
export type { Moved } from "./restore/restore-work.ts";
export type { NotDurable } from "./session/not-durable.ts";
export type { LogState } from "./session/status.ts";
export { namespaced } from "./store/namespaced.ts";
export { type OpenStoreOptions, openStore } from "./store/open.ts";
export type { PlainObject, PlainObjects, PlainPlace, PlainRead } from "./store/plain.ts";
export type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	ObjectInfo,
	ObjectStore,
	PutOutcome,
	RequestCounts,
} from "./store/port.ts";
export type { SweepableStore } from "./store/sweepable.ts";
export { createLogger } from "./telemetry/logger.ts";
export type { LogFields, Logger, Progress } from "./telemetry/types.ts";
export type { Profile } from "./workspace/profile.ts";
