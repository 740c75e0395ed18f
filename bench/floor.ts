/** The floor: one archive, fetched in parallel and unpacked by tar while it arrives. */
import { execFileSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import type { Contestant } from "./contest.ts";
import type { Lab } from "./lab.ts";
import { FLOOR } from "./peers.ts";

/** More connections did not help at 85 MB/s each. */
const PARTS = 16;
const MiB = 1024 * 1024;

/** `.tar.zst`, level 3. */
export function pack(directory: string, archive: string): void {
	const packed = ["-c", 'tar -C "$0" -cf - . | zstd -3 -q -o "$1"', directory, archive];
	execFileSync("bash", packed);
}

/** @param directory to restore */
export async function floor(lab: Lab, directory: string, key: string): Promise<Contestant> {
	const archive = lab.fresh("packed.tar.zst");
	pack(directory, archive);
	const parts = Math.min(PARTS, Math.max(1, Math.ceil(statSync(archive).size / MiB)));
	await lab.store.putParts(archive, parts, key);
	rmSync(archive);
	const url = `${lab.endpoint}/${lab.store.bucket}/${key}`;
	return {
		name: FLOOR,
		restore: (to) => ({
			argv: ["bash", "-c", PARALLEL_CURL, url, to, String(parts)],
			env: lab.env(),
			name: FLOOR,
		}),
	};
}

/**
 * Fetches the parts in parallel into memory and passes them to tar in order. $0 URL, $1 target, $2
 * parts
 */
const PARALLEL_CURL = `
set -eu -o pipefail
mkdir -p "$1"
parts=$(mktemp -d /dev/shm/openclaw-bench.XXXXXX)
trap 'rm -rf "$parts"' EXIT
pids=()
for ((i = 0; i < $2; i++)); do
	curl --silent --fail --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --aws-sigv4 aws:amz:us-east-1:s3 --output "$parts/$i" "$0/$i" &
	pids+=($!)
done
mkfifo "$parts/all"
tar -x --zstd -f "$parts/all" -C "$1" &
tar=$!
exec 3>"$parts/all"
for ((i = 0; i < $2; i++)); do
	wait "\${pids[$i]}"
	cat "$parts/$i" >&3
	rm "$parts/$i"
done
exec 3>&-
wait "$tar"
`;
