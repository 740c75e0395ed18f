/**
 * WAF in front of the API.
 *
 * Rules that inspect bodies only count. A body is what a person wrote in a chat, and a question
 * about `<script>` or `../../etc` is not an attack. Signatures prove that a request is genuine. The
 * rule against requests without User-Agent also only counts, because Telegram's servers do not send
 * one. Lists of hosting providers' addresses are not used, because all callers, including STS, are
 * servers.
 */
import { Stack } from "aws-cdk-lib";
import type * as apigateway from "aws-cdk-lib/aws-apigateway";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as logs from "aws-cdk-lib/aws-logs";
import * as wafv2 from "aws-cdk-lib/aws-wafv2";
import { Construct } from "constructs";
import { bareArn, makeLogGroup } from "./keys.ts";

/** The most that WAF reads of a body at a regional API. It far exceeds any channel's messages. */
const MAX_BODY_BYTES = 65_536;

const MANAGED: Readonly<Record<string, readonly string[]>> = {
	AWSManagedRulesAmazonIpReputationList: [],
	AWSManagedRulesKnownBadInputsRuleSet: [
		"JavaDeserializationRCE_BODY",
		"Log4JRCE_BODY",
		"ReactJSRCE_BODY",
	],
	AWSManagedRulesCommonRuleSet: [
		"NoUserAgent_HEADER",
		"SizeRestrictions_BODY",
		"EC2MetaDataSSRF_BODY",
		"GenericLFI_BODY",
		"GenericRFI_BODY",
		"CrossSiteScripting_BODY",
	],
};

export interface FirewallProps {
	readonly stage: apigateway.Stage;
	readonly key: kms.IKey;
	readonly logDays: number;
	/** Requests in 5 minutes. */
	readonly requestsPerIp: number;
}

export class Firewall extends Construct {
	/** The `WebACL` dimension of its metrics. */
	readonly name: string;
	readonly logGroup: logs.LogGroup;

	constructor(scope: Construct, id: string, { stage, key, logDays, requestsPerIp }: FirewallProps) {
		super(scope, id);
		const { stackName } = Stack.of(this);
		this.name = `${stackName}-webhook-api`;
		const acl = new wafv2.CfnWebACL(this, "Acl", {
			name: this.name,
			scope: "REGIONAL",
			defaultAction: { allow: {} },
			visibilityConfig: visibility(this.name),
			associationConfig: { requestBody: { API_GATEWAY: { defaultSizeInspectionLimit: "KB_64" } } },
			rules: [
				perAddress(requestsPerIp),
				bodySize(),
				...Object.entries(MANAGED).map(([name, counted], index) =>
					managed(name, counted, index + 2),
				),
				documentsPerAddress(),
			],
		});
		new wafv2.CfnWebACLAssociation(this, "Association", {
			webAclArn: acl.attrArn,
			resourceArn: stage.stageArn,
		});
		// WAF accepts only log groups with this prefix.
		this.logGroup = makeLogGroup(this, "Logs", {
			key,
			days: logDays,
			name: `aws-waf-logs-${stackName.toLowerCase()}`,
		});
		new wafv2.CfnLoggingConfiguration(this, "Logging", {
			resourceArn: acl.attrArn,
			logDestinationConfigs: [bareArn(this.logGroup)],
			redactedFields: ["authorization", "x-telegram-bot-api-secret-token"].map((name) => ({
				singleHeader: { Name: name },
			})),
			loggingFilter: {
				DefaultBehavior: "DROP",
				Filters: [
					{
						Behavior: "KEEP",
						Requirement: "MEETS_ANY",
						Conditions: [
							{ ActionCondition: { Action: "BLOCK" } },
							{ ActionCondition: { Action: "COUNT" } },
						],
					},
				],
			},
		});
	}
}

/** The issuer's documents, with and without the stage before them. */
const DOCUMENTS: wafv2.CfnWebACL.StatementProperty = {
	byteMatchStatement: {
		fieldToMatch: { uriPath: {} },
		positionalConstraint: "CONTAINS",
		searchString: "/.well-known/",
		textTransformations: [{ priority: 0, type: "NONE" }],
	},
};

function perAddress(limit: number): wafv2.CfnWebACL.RuleProperty {
	return rate("TooManyRequests", 0, limit, { notStatement: { statement: DOCUMENTS } });
}

/**
 * STS reads the documents for all users from a few addresses, so it gets more than a channel. 20 a
 * second stays below the documents' throttle, so one address cannot use that up.
 */
function documentsPerAddress(): wafv2.CfnWebACL.RuleProperty {
	return rate("TooManyDocuments", 10, 6_000, DOCUMENTS);
}

/** @param limit of one address in 5 minutes */
function rate(
	name: string,
	priority: number,
	limit: number,
	scopeDownStatement: wafv2.CfnWebACL.StatementProperty,
): wafv2.CfnWebACL.RuleProperty {
	return {
		name,
		priority,
		action: { block: { customResponse: { responseCode: 429 } } },
		statement: {
			rateBasedStatement: {
				limit,
				aggregateKeyType: "IP",
				evaluationWindowSec: 300,
				scopeDownStatement,
			},
		},
		visibilityConfig: visibility(name),
	};
}

function bodySize(): wafv2.CfnWebACL.RuleProperty {
	return {
		name: "BodyTooLarge",
		priority: 1,
		action: { block: { customResponse: { responseCode: 413 } } },
		statement: {
			sizeConstraintStatement: {
				fieldToMatch: { body: { oversizeHandling: "MATCH" } },
				comparisonOperator: "GE",
				size: MAX_BODY_BYTES,
				textTransformations: [{ priority: 0, type: "NONE" }],
			},
		},
		visibilityConfig: visibility("BodyTooLarge"),
	};
}

function managed(
	name: string,
	counted: readonly string[],
	priority: number,
): wafv2.CfnWebACL.RuleProperty {
	return {
		name,
		priority,
		overrideAction: { none: {} },
		statement: {
			managedRuleGroupStatement: {
				vendorName: "AWS",
				name,
				ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
			},
		},
		visibilityConfig: visibility(name),
	};
}

function visibility(metricName: string): wafv2.CfnWebACL.VisibilityConfigProperty {
	return { metricName, cloudWatchMetricsEnabled: true, sampledRequestsEnabled: false };
}
