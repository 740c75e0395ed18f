/** Reports places that are not stored: in the receipt of each start, and again when they change. */
import { basename, join } from "node:path";
import { RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { Tree } from "../log/types.ts";
import type { Roots } from "../path.ts";
import type { Session } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import { IGNORE_FILE } from "../workspace/ignore-file.ts";
import type { Profile } from "../workspace/profile.ts";
import { type Stat, sameStat, statOf } from "../workspace/stat.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { type Gaps, gapsOf, type Links, remedyFor } from "./coverage.ts";
import { NO_COUNTING, survey } from "./left-out.ts";
import { AGENT_CONFIG } from "./named-places.ts";
import { type StartReceipt, startReceipt } from "./start-receipt.ts";

export interface Telling {
	readonly roots: Roots;
	readonly profile: Profile;
	/** The agent's. */
	readonly env: NodeJS.ProcessEnv;
	readonly logger: Logger;
	readonly onReceipt?: ((receipt: StartReceipt) => void) | undefined;
}

/** @returns a function to call after the restore, and after each commit */
export function coverageTeller(
	telling: Telling,
): (session: Pick<Session, "head" | "restored">) => void {
	const { roots, logger, onReceipt } = telling;
	let looked: { readonly config: Stat | undefined; readonly links: string } | undefined;
	let told: string | undefined;
	return (session) => {
		const config = statOf(join(roots.main, AGENT_CONFIG));
		const links = linksIn(session.head.tree);
		const now = { config, links: JSON.stringify(links) };
		if (looked !== undefined && isSame(looked, now)) return;
		looked = now;
		// Before the first commit the tree does not know the links of this disk.
		const found = look(telling, told === undefined ? undefined : links);
		const paths = found.gaps.map(({ path }) => path);
		if (told === undefined) {
			const receipt = startReceipt(session, config === undefined ? withoutConfig(found) : found);
			logger[receipt.verdict === "COMPLETE" ? "info" : "warn"]("start.receipt", { ...receipt });
			onReceipt?.(receipt);
		}
		const news = JSON.stringify(paths);
		if (paths.length > 0 && news !== told)
			logger.warn("workspace.not-covered", {
				paths,
				by: found.gaps.map(({ by }) => by),
				remedy: remedyFor(found),
			});
		told = news;
	};
}

/** An agent without a configuration names no place in it: that is known. */
function withoutConfig({ unread, ...found }: Gaps): Gaps {
	return { ...found, unread: unread.filter((path) => basename(path) !== AGENT_CONFIG) };
}

function isSame(
	a: { readonly config: Stat | undefined; readonly links: string },
	b: typeof a,
): boolean {
	const isSameConfig =
		a.config === undefined || b.config === undefined
			? a.config === b.config
			: sameStat(a.config, b.config);
	return isSameConfig && a.links === b.links;
}

function look({ roots, profile, env, logger }: Telling, links: Links | undefined): Gaps {
	try {
		const { filter, rules } = WorkspaceFilter.open(roots, profile);
		return gapsOf({
			roots,
			profile,
			filter,
			env,
			links: links ?? survey(roots, rules, NO_COUNTING).links,
		});
	} catch (error) {
		logger.warn("ignore.unreadable", { error });
		const found = gapsOf({ roots, profile, filter: () => "keep", env, links: links ?? [] });
		return { ...found, unread: [...found.unread, join(roots.main, IGNORE_FILE)] };
	}
}

/** Quarantined files exist on no disk. */
function linksIn(tree: Tree): Links {
	const links: (readonly [string, string])[] = [];
	for (const [path, entry] of tree) {
		if (entry.type === "link" && !path.startsWith(`${RECOVERED_DIRECTORY}/`))
			links.push([path, entry.target]);
	}
	return links;
}
