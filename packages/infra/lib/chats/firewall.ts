/**
 * WAF in front of the API.
 *
 * Rules that inspect bodies only count. A body is what a person wrote in a chat, and a question
 * about `<script>` or `../../etc` is not an attack. Signatures prove that a request is genuine. The
 * rule against requests without User-Agent also only counts, because Telegram's servers do not send
 * one. Lists of hosting providers' addresses are not used, because all callers, including STS, are
 * servers.
 *
 * Telegram publishes the addresses that its webhooks come from. Its path is open to them, and to
 * this deployment itself, which proves a new secret and runs smoke tests from other addresses.
 */
import { Aws, Fn, Stack } from "aws-cdk-lib";
import type * as apigateway from "aws-cdk-lib/aws-apigateway";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as logs from "aws-cdk-lib/aws-logs";
import * as wafv2 from "aws-cdk-lib/aws-wafv2";
import { Construct } from "constructs";
import { bareArn, makeLogGroup } from "../parts/keys.ts";
import type { Channel } from "../settings/config.ts";

/** The most that WAF reads of a body at a regional API. */
const MAX_BODY_BYTES = 65_536;
/**
 * Feishu's messages have up to 150 KB, which encryption and base64 double; Slack escapes each
 * Chinese character of 40,000 to six bytes. The webhook handler accepts 512 KiB.
 */
const LONG_MESSAGES: readonly Channel[] = ["feishu", "slack"];
export const PROBE_HEADER = "x-openclaw-probe";

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
	readonly channels: readonly Channel[];
	/** Of Telegram, in CIDR notation. None: its path is open to all. */
	readonly telegramRanges: readonly string[];
}

export class Firewall extends Construct {
	/** The `WebACL` dimension of its metrics. */
	readonly name: string;
	readonly logGroup: logs.LogGroup;

	/**
	 * The value of `PROBE_HEADER` with which this deployment reaches Telegram's path. It replaces only
	 * the address, not Telegram's secret. Anyone who may read the stack knows it.
	 */
	static readonly probeKey = Fn.select(2, Fn.split("/", Aws.STACK_ID));

	constructor(scope: Construct, id: string, props: FirewallProps) {
		super(scope, id);
		const { stage, key, logDays, requestsPerIp, channels, telegramRanges } = props;
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
				bodySize(LONG_MESSAGES.filter((channel) => channels.includes(channel))),
				...Object.entries(MANAGED).map(([name, counted], index) =>
					managed(name, counted, index + 2),
				),
				documentsPerAddress(),
				...(channels.includes("telegram") && telegramRanges.length > 0
					? [this.#fromTelegram(telegramRanges, Object.keys(MANAGED).length + 2)]
					: []),
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
			redactedFields: ["authorization", "x-telegram-bot-api-secret-token", PROBE_HEADER].map(
				(name) => ({ singleHeader: { Name: name } }),
			),
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

	#fromTelegram(ranges: readonly string[], priority: number): wafv2.CfnWebACL.RuleProperty {
		const addresses = new wafv2.CfnIPSet(this, "Telegram", {
			description: "Addresses of Telegram webhooks",
			scope: "REGIONAL",
			ipAddressVersion: "IPV4",
			addresses: [...ranges],
		});
		return {
			name: "NotFromTelegram",
			priority,
			action: { block: {} },
			statement: {
				andStatement: {
					statements: [
						pathMatch("CONTAINS", "/webhook/telegram"),
						not({ ipSetReferenceStatement: { arn: addresses.attrArn } }),
						not({
							byteMatchStatement: {
								fieldToMatch: { singleHeader: { Name: PROBE_HEADER } },
								positionalConstraint: "EXACTLY",
								searchString: Firewall.probeKey,
								textTransformations: [{ priority: 0, type: "NONE" }],
							},
						}),
					],
				},
			},
			visibilityConfig: visibility("NotFromTelegram"),
		};
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

function bodySize(longMessages: readonly Channel[]): wafv2.CfnWebACL.RuleProperty {
	const isLarge: wafv2.CfnWebACL.StatementProperty = {
		sizeConstraintStatement: {
			fieldToMatch: { body: { oversizeHandling: "MATCH" } },
			comparisonOperator: "GE",
			size: MAX_BODY_BYTES,
			textTransformations: [{ priority: 0, type: "NONE" }],
		},
	};
	const isElsewhere = longMessages.map((channel) =>
		not(pathMatch("ENDS_WITH", `/webhook/${channel}`)),
	);
	return {
		name: "BodyTooLarge",
		priority: 1,
		action: { block: { customResponse: { responseCode: 413 } } },
		statement:
			isElsewhere.length === 0
				? isLarge
				: { andStatement: { statements: [isLarge, ...isElsewhere] } },
		visibilityConfig: visibility("BodyTooLarge"),
	};
}

/** API Gateway decodes a path before it chooses the method. */
function pathMatch(
	positionalConstraint: "CONTAINS" | "ENDS_WITH",
	searchString: string,
): wafv2.CfnWebACL.StatementProperty {
	return {
		byteMatchStatement: {
			fieldToMatch: { uriPath: {} },
			positionalConstraint,
			searchString,
			textTransformations: [{ priority: 0, type: "URL_DECODE" }],
		},
	};
}

function not(statement: wafv2.CfnWebACL.StatementProperty): wafv2.CfnWebACL.StatementProperty {
	return { notStatement: { statement } };
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
