/** What the page shows of one file. Previews are data: nothing here is ever run. */

import { SidecarError } from "../errors.ts";
import { contentOf } from "../history/inspect.ts";
import type { FileEntry, Path, Tree } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Profile } from "../workspace/profile.ts";
import { isSqliteHeader } from "../workspace/sqlite-file.ts";
import type { Content } from "./api.ts";
import type { Databases } from "./databases.ts";
import type { TreeAt } from "./log-view.ts";
import { isSecretPlace, secretKinds } from "./secrets.ts";

/** The beginning of a file that is sent as text, and searched for secrets. */
const TEXT_BYTES = 1024 * 1024;
const IMAGE_BYTES = 8 * 1024 * 1024;
const HEX_BYTES = 4 * 1024;
/** Git's test: a NUL among the first bytes means binary. */
const BINARY_TEST_BYTES = 8_000;

export interface ContentSource {
	readonly store: ObjectStore;
	readonly profile: Pick<Profile, "secret">;
	readonly databases: Databases;
}

/** @throws SidecarError PATH_NOT_FOUND: not a file of this tree */
export function requireFile(tree: Tree, path: Path): FileEntry {
	const entry = tree.get(path);
	if (entry?.type === "file") return entry;
	const reason = entry === undefined ? undefined : `it is a ${entry.type}`;
	throw new SidecarError("PATH_NOT_FOUND", { value: path, ...(reason && { reason }) });
}

/**
 * @param confirmed the person has agreed to see a secret
 * @throws SidecarError PATH_NOT_FOUND, STORE_*, OBJECT_*
 */
export async function contentAt(
	{ store, profile, databases }: ContentSource,
	{ index, read }: TreeAt,
	path: Path,
	confirmed: boolean,
	signal?: AbortSignal,
): Promise<Content> {
	const file = requireFile(index.tree, path);
	const { size } = file;
	if (!confirmed && isSecretPlace(profile, path))
		return { kind: "secret", size, reasons: ["place"] };
	const start = await firstBytes(store, read, file, TEXT_BYTES, signal);
	if (isSqliteHeader(start)) {
		if (size > databases.limitBytes)
			return { kind: "too-large", size, limit: databases.limitBytes };
		return { kind: "database", size, tables: await databases.tables(file, read) };
	}
	const mediaType = imageType(start);
	if (mediaType !== undefined) {
		if (size > IMAGE_BYTES) return { kind: "too-large", size, limit: IMAGE_BYTES };
		const bytes = await firstBytes(store, read, file, size, signal);
		return { kind: "image", size, mediaType, base64: bytes.toString("base64") };
	}
	if (start.subarray(0, BINARY_TEST_BYTES).includes(0))
		return { kind: "binary", size, base64: start.subarray(0, HEX_BYTES).toString("base64") };
	const kinds = confirmed ? [] : secretKinds(start);
	if (kinds.length > 0) return { kind: "secret", size, reasons: kinds };
	// In a stream, a character that the end cuts is left out.
	const text = new TextDecoder().decode(start, { stream: true });
	return { kind: "text", size, text, isCut: size > start.length };
}

/** A copy of the first bytes of a file. @throws SidecarError STORE_*, OBJECT_* */
export async function firstBytes(
	store: ObjectStore,
	read: TreeAt["read"],
	file: FileEntry,
	maxBytes: number,
	signal?: AbortSignal,
): Promise<Buffer> {
	const parts: Buffer[] = [];
	let left = Math.min(maxBytes, file.size);
	for await (const part of contentOf(store, read, file, left, signal)) {
		const wanted = Buffer.from(part.subarray(0, left));
		parts.push(wanted);
		left -= wanted.length;
		if (left === 0) break;
	}
	return Buffer.concat(parts);
}

/** By the first bytes, never by the name. SVG is text here. */
function imageType(start: Buffer): string | undefined {
	const latin = start.subarray(0, 16).toString("latin1");
	if (latin.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
	if (latin.startsWith("\xff\xd8\xff")) return "image/jpeg";
	if (latin.startsWith("GIF87a") || latin.startsWith("GIF89a")) return "image/gif";
	if (latin.startsWith("RIFF") && latin.slice(8, 12) === "WEBP") return "image/webp";
	if (latin.slice(4, 12) === "ftypavif") return "image/avif";
	return undefined;
}
