/** The peers that this machine has, or can get. */
import { PEERS, type Peer } from "./peers.ts";

export interface Wanted {
	/** Those that take minutes, too. */
	readonly slow: boolean;
	/** Do not build or install anything. */
	readonly onlyPresent: boolean;
}

/** The available peers; for each other one, a sentence. */
export function obtainPeers({ slow, onlyPresent }: Wanted): {
	readonly peers: readonly Peer[];
	readonly skipped: readonly string[];
} {
	const peers: Peer[] = [];
	const skipped: string[] = [];
	for (const peer of PEERS) {
		const { check, install, howToGet } = peer.origin;
		if (peer.isSlow && !slow) continue;
		try {
			if (install !== undefined && !onlyPresent && !isThere(check)) {
				console.log(`getting ${peer.name} ${peer.version}: once, some minutes`);
				install();
			}
			check();
			peers.push(peer);
		} catch (error) {
			skipped.push(
				`${peer.name} is skipped (${(error as Error).message}); to have it: ${howToGet}`,
			);
		}
	}
	return { peers, skipped };
}

function isThere(check: () => void): boolean {
	try {
		check();
		return true;
	} catch {
		return false;
	}
}
