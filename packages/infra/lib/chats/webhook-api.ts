/**
 * The only entry from the internet: a regional REST API behind WAF, throttled, with access logs
 * that contain no bodies. It is a REST API because WAF cannot protect an HTTP API. `Issuer` and
 * `Router` add its methods.
 */
import { Aws, Duration, Stack } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import { Certificate } from "aws-cdk-lib/aws-certificatemanager";
import type * as kms from "aws-cdk-lib/aws-kms";
import { CfnRecordSet } from "aws-cdk-lib/aws-route53";
import { Construct, type IDependable } from "constructs";
import { makeLogGroup } from "../parts/keys.ts";
import type { Channel } from "../settings/config.ts";
import { Firewall } from "./firewall.ts";

const STAGE = "v1";

/** Below `/.well-known/`. AgentCore starts up to 25 machines a second, and each reads both. */
export const ISSUER_DOCUMENTS = ["openid-configuration", "jwks.json"] as const;

export interface WebhookApiProps {
	readonly key: kms.IKey;
	readonly logDays: number;
	readonly requestsPerSecond: number;
	/** Requests in 5 minutes. */
	readonly requestsPerIp: number;
	/** All three, or none. */
	readonly domainName?: string | undefined;
	readonly certificateArn?: string | undefined;
	readonly hostedZoneId?: string | undefined;
	readonly channels: readonly Channel[];
	readonly telegramRanges: readonly string[];
}

export class WebhookApi extends Construct {
	readonly api: apigateway.RestApi;
	readonly firewall: Firewall;
	/** The URL of the stage or of the own domain, without a trailing slash. */
	readonly url: string;
	/** What must exist before the URL answers. */
	readonly reachable: readonly IDependable[];

	constructor(scope: Construct, id: string, props: WebhookApiProps) {
		super(scope, id);
		const { key, logDays, requestsPerSecond, requestsPerIp, channels, telegramRanges, domainName } =
			props;
		const observed = {
			metricsEnabled: true,
			loggingLevel: apigateway.MethodLoggingLevel.ERROR,
			dataTraceEnabled: false,
		};
		const accessLogs = makeLogGroup(this, "AccessLogs", { key, days: logDays });
		this.api = new apigateway.RestApi(this, "Api", {
			restApiName: `${Stack.of(this).stackName}-webhook-api`,
			description: "Webhooks of the chat channels, and the issuer's documents",
			endpointTypes: [apigateway.EndpointType.REGIONAL],
			cloudWatchRole: true,
			deployOptions: {
				stageName: STAGE,
				throttlingRateLimit: requestsPerSecond,
				throttlingBurstLimit: requestsPerSecond * 2,
				...observed,
				// Otherwise anybody's requests to the webhooks could use up what STS and machines need.
				methodOptions: Object.fromEntries(
					ISSUER_DOCUMENTS.map((name) => [
						`/.well-known/${name}/GET`,
						{ ...observed, throttlingRateLimit: 50, throttlingBurstLimit: 100 },
					]),
				),
				accessLogDestination: new apigateway.LogGroupLogDestination(accessLogs),
				accessLogFormat: apigateway.AccessLogFormat.custom(
					JSON.stringify({
						time: apigateway.AccessLogField.contextRequestTime(),
						requestId: apigateway.AccessLogField.contextRequestId(),
						ip: apigateway.AccessLogField.contextIdentitySourceIp(),
						method: apigateway.AccessLogField.contextHttpMethod(),
						path: apigateway.AccessLogField.contextResourcePath(),
						status: apigateway.AccessLogField.contextStatus(),
						bytes: apigateway.AccessLogField.contextResponseLength(),
						ms: apigateway.AccessLogField.contextResponseLatency(),
						waf: "$context.waf.status",
						error: apigateway.AccessLogField.contextErrorMessage(),
					}),
				),
			},
		});
		// API Gateway creates this group at the first error, unencrypted and forever, if it is missing.
		const errorLogs = makeLogGroup(this, "ErrorLogs", {
			key,
			days: logDays,
			name: `API-Gateway-Execution-Logs_${this.api.restApiId}/${STAGE}`,
		});
		this.api.deploymentStage.node.addDependency(errorLogs);
		this.url =
			domainName === undefined
				? // Not `api.url`: it depends on the methods, whose functions get this URL.
					`https://${this.api.restApiId}.execute-api.${Stack.of(this).region}.${Aws.URL_SUFFIX}/${STAGE}`
				: `https://${domainName}`;
		this.reachable = [this.api.deploymentStage, ...this.#useDomain(props)];
		this.firewall = new Firewall(this, "Firewall", {
			key,
			logDays,
			requestsPerIp,
			channels,
			telegramRanges,
			stage: this.api.deploymentStage,
		});
	}

	/** The API's own URL keeps working too. */
	#useDomain({ domainName, certificateArn, hostedZoneId }: WebhookApiProps): IDependable[] {
		if (domainName === undefined) return [];
		const domain = this.api.addDomainName("Domain", {
			domainName,
			certificate: Certificate.fromCertificateArn(this, "Certificate", certificateArn!),
			endpointType: apigateway.EndpointType.REGIONAL,
			securityPolicy: apigateway.SecurityPolicy.TLS_1_2,
		});
		const record = new CfnRecordSet(this, "Record", {
			hostedZoneId: hostedZoneId!,
			name: domainName,
			type: "A",
			aliasTarget: {
				dnsName: domain.domainNameAliasDomainName,
				hostedZoneId: domain.domainNameAliasHostedZoneId,
			},
		});
		return [domain, record];
	}

	/** A little more than a channel's longest wait. */
	static readonly integrationTimeout = Duration.seconds(10);
}
