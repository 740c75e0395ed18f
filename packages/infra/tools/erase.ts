/**
 * Erases everything that the bucket has of one user: all versions and delete markers below
 * `users/{namespace}/`. The answer to article 17 of the GDPR; docs/security.md says what remains.
 *
 * 1. The user is removed from the table, so the worker asks no agent for them any more.
 * 2. Their machine is ended, because it would store its files again.
 * 3. All versions are removed.
 * 4. After a quiet period the place is listed again. If a machine has written meanwhile, for
 *    instance for a message that was on its way, 2 to 4 are repeated.
 * 5. A record of both listings is written. It names the user only by a hash.
 *
 * Each step can be repeated, and so can the whole. Not guaranteed: that no machine lives on which
 * the platform says it has ended. Its credentials expire an hour after its longest life, so a
 * second run after `provenAfter` shows whether it has written.
 */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import {
	DeleteObjectsCommand,
	ListObjectVersionsCommand,
	type ListObjectVersionsCommandOutput,
	PutObjectCommand,
	type S3Client,
} from "@aws-sdk/client-s3";
import { encodeUserId } from "../../sidecar/src/agentcore/namespace-code.ts";
import { AUDIT_PREFIX } from "../lib/access/operators.ts";
import type { Ended } from "./machines.ts";
import { counted } from "./tool.ts";
import { ToolError } from "./tool-error.ts";

/** Longer than a machine takes to store a change, 5 s, and to store all when it ends. */
const QUIET_MS = 30_000;
const ROUNDS = 5;
/** A user's credentials outlive their machine's longest life by this. */
const MARGIN_HOURS = 1;

export interface Listing {
	readonly versions: number;
	readonly deleteMarkers: number;
	readonly bytes: number;
	/** Of all keys and version ids, in S3's order. */
	readonly sha256: string;
}

export interface Erasure {
	readonly user: string;
	readonly namespace: string;
	/** Senders that were, or would be, removed from the table. */
	readonly senders: readonly string[];
	readonly machine: Ended | "not asked";
	readonly before: Listing;
	/** Undefined in a dry run. */
	readonly after?: Listing;
	/** The audit record's key. */
	readonly record?: string;
	/** No machine that was alive can write after this time. */
	readonly provenAfter?: string;
}

export interface EraseTools {
	readonly s3: S3Client;
	readonly bucket: string;
	/** Undefined with an issuer of your own. */
	readonly users:
		| {
				sendersOf(person: string): Promise<readonly string[]>;
				remove(senders: readonly string[]): Promise<void>;
		  }
		| undefined;
	/** Undefined if the caller has made sure that the machine has ended. */
	readonly endMachine: ((user: string) => Promise<Ended>) | undefined;
	readonly maxHours: number;
	/** ARN of the operator's session, for the record. */
	readonly by: string;
	readonly say: (line: string) => void;
	/** Waits until a machine would have written; for tests. */
	readonly quiet?: () => Promise<void>;
	/** Versions in a page; S3's own is 1,000, which one deletion also takes. */
	readonly pageSize?: number;
}

/** What there is; changes nothing. */
export async function survey(tools: EraseTools, user: string): Promise<Erasure> {
	const namespace = encodeUserId(user);
	return {
		user,
		namespace,
		senders: (await tools.users?.sendersOf(user)) ?? [],
		machine: "not asked",
		before: await list(tools, namespace),
	};
}

/** @throws ToolError ERASE_NOT_PROVEN if something writes again and again */
export async function erase(tools: EraseTools, user: string): Promise<Erasure> {
	const { users, endMachine, say, quiet = () => wait(QUIET_MS), maxHours } = tools;
	const { namespace, senders, before } = await survey(tools, user);
	await users?.remove(senders);
	say(`${counted(senders.length, "sender")} removed from the table of users`);
	let machine: Erasure["machine"] = "not asked";
	let after = before;
	for (let round = 1; round <= ROUNDS; round++) {
		if (endMachine !== undefined) {
			const ended = await endMachine(user);
			if (round === 1) machine = ended;
			say(`machine: ${ended}`);
		}
		await removeVersions(tools, namespace);
		say(`all versions removed; listing again in ${QUIET_MS / 1_000} s`);
		await quiet();
		after = await list(tools, namespace);
		if (after.versions + after.deleteMarkers === 0) break;
		say(`${after.versions + after.deleteMarkers} versions were written meanwhile`);
	}
	const isProven = after.versions + after.deleteMarkers === 0;
	const provenAfter = new Date(Date.now() + (maxHours + MARGIN_HOURS) * 3_600_000).toISOString();
	const record = await writeRecord(tools, namespace, {
		by: tools.by,
		outcome: isProven ? "erased" : "not proven",
		machine,
		before,
		after,
		provenAfter,
	});
	if (!isProven)
		throw new ToolError(
			"ERASE_NOT_PROVEN",
			`a machine of ${user} keeps writing below users/${namespace}/ (${record})`,
			`end it in the console, or repeat this command after ${provenAfter}: every machine has ended by then`,
		);
	return { user, namespace, senders, machine, before, after, record, provenAfter };
}

/** Of one namespace: the slash at the end keeps out names that begin alike. */
function prefixOf(namespace: string): string {
	return `users/${namespace}/`;
}

async function* pages(
	{ s3, bucket, pageSize: MaxKeys }: EraseTools,
	namespace: string,
): AsyncGenerator<readonly Version[]> {
	let next: { readonly KeyMarker?: string; readonly VersionIdMarker?: string } | undefined = {};
	while (next !== undefined) {
		const {
			Versions = [],
			DeleteMarkers = [],
			NextKeyMarker: KeyMarker,
			NextVersionIdMarker: VersionIdMarker,
			IsTruncated,
		}: ListObjectVersionsCommandOutput = await s3.send(
			new ListObjectVersionsCommand({
				Bucket: bucket,
				Prefix: prefixOf(namespace),
				MaxKeys,
				...next,
			}),
		);
		yield [
			...Versions,
			...DeleteMarkers.map(({ Key, VersionId }) => ({ Key, VersionId, isMarker: true })),
		];
		next =
			IsTruncated === true && KeyMarker !== undefined
				? { KeyMarker, ...(VersionIdMarker !== undefined && { VersionIdMarker }) }
				: undefined;
	}
}

interface Version {
	readonly Key?: string | undefined;
	readonly VersionId?: string | undefined;
	readonly Size?: number | undefined;
	readonly isMarker?: boolean;
}

async function list(tools: EraseTools, namespace: string): Promise<Listing> {
	const hash = createHash("sha256");
	const found = { versions: 0, deleteMarkers: 0, bytes: 0 };
	for await (const page of pages(tools, namespace)) {
		for (const { Key, VersionId, Size = 0, isMarker } of page) {
			found[isMarker === true ? "deleteMarkers" : "versions"]++;
			found.bytes += Size;
			hash.update(`${Key} ${VersionId}\n`);
		}
	}
	return { ...found, sha256: hash.digest("hex") };
}

/** A page of a listing and a request of deletion both take 1,000. */
async function removeVersions(tools: EraseTools, namespace: string): Promise<void> {
	const { s3, bucket } = tools;
	for await (const page of pages(tools, namespace)) {
		const Objects = page.map(({ Key, VersionId }) => {
			if (!Key?.startsWith(prefixOf(namespace)))
				throw new Error(`the listing of ${prefixOf(namespace)} has ${Key}`);
			return { Key, VersionId };
		});
		if (Objects.length === 0) continue;
		const { Errors = [] } = await s3.send(
			new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
		);
		const [first] = Errors;
		if (first === undefined) continue;
		const failure = new Error(
			`${Errors.length} versions were not removed, the first ${first.Key}: ${first.Message}`,
		);
		failure.name = first.Code ?? "Error";
		throw failure;
	}
}

/** Its bucket's policy keeps anyone from replacing or deleting it. */
async function writeRecord(
	{ s3, bucket }: EraseTools,
	namespace: string,
	content: object,
): Promise<string> {
	const at = new Date().toISOString();
	const namespaceSha256 = createHash("sha256").update(namespace).digest("hex");
	const Key = `${AUDIT_PREFIX}erasures/${at.replaceAll(":", "")}-${namespaceSha256.slice(0, 16)}.json`;
	await s3.send(
		new PutObjectCommand({
			Bucket: bucket,
			Key,
			Body: `${JSON.stringify({ at, namespaceSha256, ...content }, null, "\t")}\n`,
			ContentType: "application/json",
			IfNoneMatch: "*",
		}),
	);
	return Key;
}
