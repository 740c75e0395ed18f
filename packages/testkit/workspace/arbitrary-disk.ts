/** Generates trees on a real disk that are as hostile as the file system accepts. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { encodePath, fsPath } from "../../sidecar/src/path.ts";
import { approximate, loadFileTimes } from "../../sidecar/src/workspace/file-times.ts";
import { anyName } from "../arbitrary-log.ts";

export interface DiskNode {
	readonly path: string;
	readonly kind: "file" | "dir" | "link";
	readonly bytes: Uint8Array;
	readonly target: string;
	readonly mode: number;
	readonly mtimeNs: bigint;
}

const anyBytes = fc.oneof(
	{ weight: 4, arbitrary: fc.uint8Array({ maxLength: 200 }) },
	{ weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
	{
		weight: 1,
		arbitrary: fc
			.tuple(fc.nat(255), fc.integer({ min: 1_000_000, max: 2_200_000 }))
			.map(([seed, size]) => Uint8Array.from({ length: size }, (_, index) => (index * seed) >> 3)),
	},
	{
		weight: 1,
		arbitrary: fc.integer({ min: 1, max: 3_000_000 }).map((size) => new Uint8Array(size)),
	},
);

export const anyDisk: fc.Arbitrary<DiskNode[]> = fc.uniqueArray(
	fc.record({
		path: fc.array(anyName, { minLength: 1, maxLength: 5 }).map((names) => names.join("/")),
		kind: fc.constantFrom(
			"file" as const,
			"file" as const,
			"file" as const,
			"dir" as const,
			"link" as const,
		),
		bytes: anyBytes,
		target: fc.constantFrom("missing", "../..", "/etc/hostname", "a", "\udcff", "x".repeat(300)),
		mode: fc.constantFrom(0o644, 0o600, 0o755, 0o400, 0o000, 0o777, 0o1777),
		// Times between 1901 and 2446, the range that ext4 stores.
		mtimeNs: fc.bigInt({ min: -2_000_000_000_000_000_000n, max: 15_000_000_000_000_000_000n }),
	}),
	{ selector: ({ path }) => path, maxLength: 25 },
);

/**
 * Creates the nodes that it can. A node is left out if its parent is a file or a link. The times of
 * directories are set last.
 */
export async function makeDisk(root: string, nodes: readonly DiskNode[]): Promise<void> {
	const times = await loadFileTimes().catch(() => approximate);
	mkdirSync(root, { recursive: true });
	const made = new Map<string, DiskNode["kind"]>([["", "dir"]]);
	const directories: DiskNode[] = [];
	const parents = (path: string) => {
		const names = path.split("/").slice(0, -1);
		return names.map((_, index) => names.slice(0, index + 1).join("/"));
	};
	for (const node of nodes) {
		if (made.has(node.path) || encodePath(node.path).length > 2000) continue;
		if (parents(node.path).some((parent) => made.has(parent) && made.get(parent) !== "dir"))
			continue;
		for (const parent of parents(node.path)) {
			if (made.has(parent)) continue;
			mkdirSync(fsPath(root, parent));
			made.set(parent, "dir");
			directories.push({ ...node, path: parent, mode: 0o755 });
		}
		made.set(node.path, node.kind);
		const place = fsPath(root, node.path);
		if (node.kind === "dir") {
			mkdirSync(place);
			directories.push(node);
			continue;
		}
		if (node.kind === "link") symlinkSync(encodePath(node.target), place);
		else {
			writeFileSync(place, node.bytes);
			chmodSync(place, node.mode);
		}
		times.setMtime(place, node.mtimeNs);
	}
	for (const { path, mode, mtimeNs } of directories.reverse()) {
		// Only root can read a directory without execute permission.
		chmodSync(fsPath(root, path), (mode & 0o1777) | 0o700);
		times.setMtime(fsPath(root, path), mtimeNs);
	}
}
