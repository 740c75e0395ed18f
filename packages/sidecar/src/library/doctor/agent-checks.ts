/** Does the profile fit what lies in the workspace, and does the workspace hold all of the agent? */
import { join } from "node:path";
import { printable } from "../../errors.ts";
import { statOf } from "../../workspace/stat.ts";
import { AGENT_CONFIG, remedyFor, uncoveredDirectories } from "../agent-directories.ts";
import { type Check, notTested, ok, warning } from "./check.ts";

export const profileFits: Check = {
	name: "profile",
	look: ({ settings, profile }) => {
		const isOpenclaw = statOf(join(settings.workspace, AGENT_CONFIG)) !== undefined;
		if (profile.name === "plain" && isOpenclaw) {
			return warning(
				`the profile is plain, but ${AGENT_CONFIG} is here: caches and locks of OpenClaw are stored, and secrets get no strict modes`,
				"use --profile openclaw",
			);
		}
		if (profile.name !== "openclaw" || isOpenclaw) return ok(`${profile.name} fits`);
		if (statOf(settings.workspace) === undefined) return ok("openclaw; nothing is here yet to fit");
		const remedy = "point --workspace at OpenClaw's state directory, or use --profile plain for another directory";
		return warning(`the profile is openclaw, but there is no ${AGENT_CONFIG} in ${settings.workspace}`, remedy);
	},
};

export const outsideWorkspaces: Check = {
	name: "agents' directories",
	look: ({ roots, settings, profile }) => {
		if (profile.name !== "openclaw") return notTested(`the profile ${profile.name} knows no agents`);
		const { paths, flags, unread } = uncoveredDirectories(roots);
		const unseen = unread.length === 0 ? "" : `; not read: ${unread.map((path) => printable(path)).join(", ")}`;
		if (paths.length > 0) {
			const named = paths.map((path) => printable(path)).join(", ");
			const where = `given to agents by ${AGENT_CONFIG} or OPENCLAW_WORKSPACE_DIR, outside ${settings.workspace}`;
			return warning(`NOT COVERED, and LOST with this machine: ${named} (${where})${unseen}`, remedyFor(flags));
		}
		if (unread.length > 0) return notTested(`the agents' directories are not known${unseen}`);
		return ok(`all directories named in ${AGENT_CONFIG} lie in the workspace${settings.roots === undefined ? "" : " or its roots"}`);
	},
};
