/**
 * The two roles of the people who operate the installation. `Operator` manages users, ends machines
 * and erases a user's objects, and cannot read them. `Repairer` reads logs and packs, which hold
 * the content, removes unreadable commits, and cannot remove a version. So no session can both read
 * and destroy for good: not directly. An operator who adds a sender of their own to a person can ask
 * that person's agent, and reads what it answers; the trail records the change.
 *
 * A session needs MFA and lasts an hour at most. Sessions of IAM Identity Center, and of other
 * federation, carry no MFA key. For them, name roles whose sign-in demands MFA
 * (`openclaw:operators`). The tools (`bin/`) narrow each session further, to one namespace.
 */
import { ArnFormat, Duration, Stack } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import type { AgentRuntime } from "../machines/agent-runtime.ts";
import { allow } from "../parts/bundled-function.ts";

/** Where the operator's audit records are, beside `users/`. */
export const AUDIT_PREFIX = "audit/";

/** IAM's minimum for a role's longest session. */
const SESSION = Duration.hours(1);

export interface OperatorsProps {
	/** ARNs of roles that may assume without the MFA key; `*` is allowed. */
	readonly principals: readonly string[];
}

export class Operators extends Construct {
	readonly operator: iam.Role;
	readonly repairer: iam.Role;

	constructor(scope: Construct, id: string, { principals }: OperatorsProps) {
		super(scope, id);
		this.operator = this.#makeRole(
			"Operator",
			"Manages users, ends machines, erases users; reads no data",
			principals,
		);
		this.repairer = this.#makeRole(
			"Repairer",
			"Removes commits that nobody can read from a log",
			principals,
		);
		const stack = Stack.of(this);
		const own = stack.formatArn({
			service: "cloudformation",
			resource: "stack",
			resourceName: `${stack.stackName}/*`,
			arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
		});
		for (const role of [this.operator, this.repairer])
			allow(role, "FindTheStack", ["cloudformation:DescribeStacks"], [own]);
	}

	allowMachines({ arn, endpointArn }: AgentRuntime): void {
		allow(
			this.operator,
			"EndMachines",
			["bedrock-agentcore:StopRuntimeSession"],
			[arn, endpointArn],
		);
	}

	allowUsers(table: dynamodb.ITable): void {
		allow(
			this.operator,
			"ManageUsers",
			["PutItem", "DeleteItem", "GetItem", "Scan"].map((name) => `dynamodb:${name}`),
			[table.tableArn],
		);
	}

	#makeRole(id: string, description: string, principals: readonly string[]): iam.Role {
		const role = new iam.Role(this, id, {
			description,
			maxSessionDuration: SESSION,
			// Any principal of this account whose own policies allow it.
			assumedBy: new iam.AccountRootPrincipal().withConditions({
				Bool: { "aws:MultiFactorAuthPresent": "true" },
				NumericLessThan: { "aws:MultiFactorAuthAge": String(SESSION.toSeconds()) },
			}),
		});
		if (principals.length > 0)
			role.assumeRolePolicy?.addStatements(
				new iam.PolicyStatement({
					principals: [new iam.AccountRootPrincipal()],
					actions: ["sts:AssumeRole"],
					conditions: { ArnLike: { "aws:PrincipalArn": [...principals] } },
				}),
			);
		return role;
	}
}
