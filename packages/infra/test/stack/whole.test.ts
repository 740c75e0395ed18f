/** The stack as a whole, in the templates of examples/. */
import type { Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { acknowledgements } from "../../lib/acknowledgements.ts";
import previousRelease from "../previous-release.json" with { type: "json" };
import { losses, type Stateful, statefulOf } from "../stateful.ts";
import { nagFindings, type Synthesised, synthesise } from "../synth.ts";
import { wildcardTable } from "../tables.ts";

let newVpc: Template;
let inNewVpc: Synthesised;

beforeAll(() => {
	newVpc = synthesise("new-vpc").template;
	inNewVpc = synthesise("new-vpc");
});

describe("the whole stack", () => {
	test("has a reason for every wildcard in IAM, and docs/iam-wildcards.md lists them all", async () => {
		const places = [inNewVpc, synthesise("falco")].map(
			({ template, stack, config }) => [template, acknowledgements(stack, config)] as const,
		);
		await expect(wildcardTable(places)).toMatchFileSnapshot("../../../../docs/iam-wildcards.md");
	});

	test.each(["new-vpc", "falco"] as const)(
		"has exactly the findings of cdk-nag that are acknowledged, in %s",
		(mode) => {
			const { stack, config } = synthesise(mode);
			const acknowledged = acknowledgements(stack, config);
			const covers = (finding: string) =>
				acknowledged.filter(
					({ at, id }) => finding.startsWith(`${at}/`) && finding.endsWith(` ${id}`),
				);
			const findings = nagFindings(mode).filter((finding) => !finding.includes(" Annotation::"));
			expect(findings.filter((finding) => covers(finding).length === 0)).toEqual([]);
			const used = new Set(findings.flatMap(covers));
			expect(acknowledged.filter((one) => !used.has(one))).toEqual([]);
		},
	);

	test("keeps its logical ids: a resource with a changed id is deleted and recreated without its data", () => {
		const resources = Object.entries(
			newVpc.toJSON().Resources as Record<string, { readonly Type: string }>,
		);
		// Versions of functions and deployments of the API have ids derived from their content.
		const named = resources.map(([id, { Type }]) => `${id.replace(/[0-9a-f]{32}$/, "…")} ${Type}`);
		expect(named.sort().join("\n")).toMatchSnapshot();
	});

	test("replaces no stateful resource of the previous release", () => {
		expect(losses(previousRelease, statefulOf(newVpc))).toEqual([]);
		expect(Object.keys(previousRelease).length).toBeGreaterThan(30);
	});

	test("notices a stateful resource that is deleted, replaced or no longer retained", () => {
		const [bucket, provider, key] = ["WorkspaceBucket4", "UserIdentityProvider", "SecretsKey"].map(
			(prefix) => Object.keys(previousRelease).find((id) => id.startsWith(prefix))!,
		);
		const next = structuredClone(previousRelease) as Record<string, Stateful>;
		delete next[bucket!];
		next[provider!] = { ...next[provider!]!, properties: { Url: "https://other.example" } };
		next[key!] = { ...next[key!]!, deletion: "Delete" };
		expect(losses(previousRelease, { ...next, added: next[key!]! })).toEqual([
			expect.stringMatching(/^SecretsKey.*no longer outlives the stack$/),
			expect.stringMatching(/^UserIdentityProvider.*is replaced, because Url changes$/),
			expect.stringMatching(/^WorkspaceBucket4.*is deleted, or has another id$/),
		]);
	});
});
