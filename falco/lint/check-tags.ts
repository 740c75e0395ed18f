/** Checks of tags, because Falco accepts any word. */
import type { Check } from "./check.ts";

const MATURITY = /^maturity_(stable|incubating|sandbox|deprecated)$/;
const PLACES = ["host", "container", "cloud"];
const TACTICS = new Set(
	(
		"reconnaissance resource_development initial_access execution persistence privilege_escalation defense_evasion credential_access " +
		"discovery lateral_movement collection command_and_control exfiltration impact"
	).split(" "),
);
const TECHNIQUE = /^(T\d{4}(\.\d{3})?|TA00\d{2})$/;

export const tags: Check = {
	id: "tags",
	find: ({ items }) =>
		items.flatMap(({ rule, tags: named }) => {
			if (rule === undefined || named === undefined) return [];
			const problems: string[] = [];
			if (!MATURITY.test(named[0] ?? ""))
				problems.push(`the first tag is "${named[0]}", not its maturity`);
			if (!named.some((tag) => PLACES.includes(tag)))
				problems.push(`none of ${PLACES.join(", ")} is there`);
			const tactics = named.filter((tag) => tag.startsWith("mitre_"));
			if (tactics.length === 0) problems.push("there is no MITRE tactic");
			for (const tactic of tactics)
				if (!TACTICS.has(tactic.slice("mitre_".length)))
					problems.push(`${tactic} is not a MITRE tactic`);
			const techniques = named.filter((tag) => /^t\d|^ta\d/i.test(tag));
			if (techniques.length === 0) problems.push("there is no MITRE technique");
			for (const technique of techniques)
				if (!TECHNIQUE.test(technique))
					problems.push(`${technique} is not the id of a MITRE technique`);
			if (new Set(named).size !== named.length) problems.push("a tag is repeated");
			return problems.map((problem) => `${rule}: ${problem}`);
		}),
};
