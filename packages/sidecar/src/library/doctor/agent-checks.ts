/**
 * Checks that the profile fits the workspace's content, and that the workspace holds all of the
 * agent's data.
 */
import { join } from "node:path";
import { printable } from "../../errors.ts";
import type { Roots } from "../../path.ts";
import { statOf } from "../../workspace/stat.ts";
import { type Gap, isLink, remediesOf, remedyFor } from "../coverage.ts";
import { leftOutLines } from "../left-out.ts";
import { AGENT_CONFIG } from "../named-places.ts";
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
		if (statOf(settings.workspace) === undefined)
			return ok("openclaw; the workspace does not exist yet");
		const remedy =
			"point --workspace at OpenClaw's state directory, or use --profile plain for another directory";
		return warning(
			`the profile is openclaw, but there is no ${AGENT_CONFIG} in ${settings.workspace}`,
			remedy,
		);
	},
};

export const outsideWorkspaces: Check = {
	name: "agents' directories",
	look: async (patient) => {
		if (patient.profile.name !== "openclaw")
			return notTested(`the profile ${patient.profile.name} knows no agents`);
		const { gaps, unread } = await patient.coverage();
		const unseen =
			unread.length === 0 ? "" : `; not read: ${unread.map((path) => printable(path)).join(", ")}`;
		const named = gaps.filter(({ by }) => !isLink(by));
		if (named.length > 0) return notCovered(named, patient.roots, unseen);
		if (unread.length > 0) return notTested(`the agents' directories are not known${unseen}`);
		return ok(
			`all places named in ${AGENT_CONFIG} are in the workspace${patient.settings.roots === undefined ? "" : " or its roots"}`,
		);
	},
};

export const outwardLinks: Check = {
	name: "links",
	look: async (patient) => {
		if (statOf(patient.settings.workspace) === undefined)
			return ok("the workspace does not exist yet");
		const { gaps, installedLinks } = await patient.coverage();
		const links = gaps.filter(({ by }) => isLink(by));
		if (links.length > 0)
			return notCovered(links, patient.roots, ": the log has the link, but not its target");
		return ok(
			`none leads out of the workspace${installedLinks === 0 ? "" : `, except ${installedLinks} to programs and packages`}`,
		);
	},
};

export const leftOut: Check = {
	name: "left out",
	look: async (patient) => {
		if (statOf(patient.settings.workspace) === undefined)
			return ok("the workspace does not exist yet");
		const lines = leftOutLines((await patient.coverage()).leftOut);
		return ok(lines.length === 0 ? "nothing" : lines.join("; "));
	},
};

const SHOWN_GAPS = 10;

function notCovered(gaps: readonly Gap[], roots: Roots, why: string) {
	const shown = gaps.slice(0, SHOWN_GAPS);
	const more = gaps.length > SHOWN_GAPS ? ` and ${gaps.length - SHOWN_GAPS} more` : "";
	const named = shown.map(({ path }) => printable(path)).join(", ");
	const by = [...new Set(shown.map(({ by }) => printable(by)))].join(", ");
	return warning(
		`NOT COVERED, and LOST with this machine: ${named}${more} (by ${by})${why}`,
		remedyFor(remediesOf(gaps, roots)),
	);
}
