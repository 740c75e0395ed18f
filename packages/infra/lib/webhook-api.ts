/**
 * The only entry from the internet: a regional REST API behind WAF, throttled, with access logs
 * that contain no bodies. It is a REST API because WAF cannot protect an HTTP API. `Issuer` and
 * `Router` add its methods.
 */
import { Aws, Duration, Stack } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import type * as kms from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";
import type { Channel } from "./config.ts";
import { Firewall } from "./firewall.ts";
import { makeLogGroup } from "./keys.ts";

const STAGE = "v1";

export interface WebhookApiProps {
	readonly key: kms.IKey;
	readonly logDays: number;
	readonly requestsPerSecond: number;
	/** Requests in 5 minutes. */
	readonly requestsPerIp: number;
	readonly channels: readonly Channel[];
	readonly telegramRanges: readonly string[];
}

export class WebhookApi extends Construct {
	readonly api: apigateway.RestApi;
	readonly firewall: Firewall;
	/** The URL of the stage, without a trailing slash. */
	readonly url: string;

	constructor(
		scope: Construct,
		id: string,
		{ key, logDays, requestsPerSecond, requestsPerIp, channels, telegramRanges }: WebhookApiProps,
	) {
		super(scope, id);
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
				metricsEnabled: true,
				loggingLevel: apigateway.MethodLoggingLevel.ERROR,
				dataTraceEnabled: false,
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
		// Not `api.url`: it depends on the methods, whose functions get this URL.
		this.url = `https://${this.api.restApiId}.execute-api.${Stack.of(this).region}.${Aws.URL_SUFFIX}/${STAGE}`;
		this.firewall = new Firewall(this, "Firewall", {
			key,
			logDays,
			requestsPerIp,
			channels,
			telegramRanges,
			stage: this.api.deploymentStage,
		});
	}

	/** A little more than a channel's longest wait. */
	static readonly integrationTimeout = Duration.seconds(10);
}
