/**
 * Connects all constructs of an installation. Read it first: it shows how they depend on each
 * other.
 */
import { Annotations, CfnOutput, Stack, type StackProps, Tags } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";
import { Issuer } from "./access/issuer.ts";
import { Operators } from "./access/operators.ts";
import { UserIdentity } from "./access/user-identity.ts";
import { ChannelSecrets } from "./chats/channel-secrets.ts";
import { makeDeliveriesTable, Router } from "./chats/router.ts";
import { WebhookApi } from "./chats/webhook-api.ts";
import { AgentRuntime, platformVersion } from "./machines/agent-runtime.ts";
import { Endpoints } from "./machines/endpoints.ts";
import { Network } from "./machines/network.ts";
import { makeOperationsKey } from "./parts/keys.ts";
import { isShared, OWN_BOOTSTRAP } from "./settings/bootstrap.ts";
import type { Config } from "./settings/config.ts";
import { checkZones, pickZones, supportOf } from "./settings/regions.ts";
import { Retention } from "./storage/retention.ts";
import { type Adopted, WorkspaceBucket } from "./storage/workspace-bucket.ts";
import type { Watched } from "./watch/alarms.ts";
import { Audit } from "./watch/audit.ts";
import { Falco } from "./watch/falco.ts";
import { makeTopic, Observability } from "./watch/observability.ts";

export class OpenClawStack extends Stack {
	readonly #zoneIds: readonly string[];

	constructor(scope: Construct, config: Config) {
		super(scope, config.stackName, stackProps(config));
		supportOf(this.region);
		Tags.of(this).add("application", config.stackName);
		this.#zoneIds = config.network === "vpc" ? this.#chooseZones(config) : [];
		if (isShared(this.node.getAllContext() as Record<string, unknown>))
			Annotations.of(this).addWarningV2(
				"openclaw:sharedImages",
				`SHARED_IMAGES: machines can pull the images of every CDK app of the account. Add ${JSON.stringify(OWN_BOOTSTRAP)} to cdk.json, and run cdk bootstrap.`,
			);
		const { logDays, maxHours, audience } = config;
		const key = makeOperationsKey(this, "OperationsKey");
		const topic = makeTopic(this, "Alarms", key, config.alarmEmail);

		const network = new Network(this, "Network", { config, zoneIds: this.#zoneIds, key });
		const hasOwnEndpoints = network.vpc !== undefined && network.s3EndpointId === undefined;
		const endpoints = hasOwnEndpoints
			? new Endpoints(this, "Endpoints", { network, names: config.endpoints })
			: undefined;
		const operators = new Operators(this, "Operators", { principals: config.operators });
		const s3EndpointId = endpoints?.s3EndpointId ?? network.s3EndpointId;
		const workspaces = new WorkspaceBucket(this, "WorkspaceBucket", {
			adopted: adoptedBy(config),
			operators,
			s3EndpointId,
		});
		endpoints?.allowBucket(workspaces.bucket.bucketArn);
		endpoints?.allowOperators(operators, workspaces.bucket.bucketArn);

		const webhookApi =
			config.issuer === undefined
				? new WebhookApi(this, "WebhookApi", { ...config, key })
				: undefined;
		const ownIssuer = webhookApi && new Issuer(this, "Issuer", { webhookApi, key, logDays });
		const issuer = ownIssuer?.url ?? config.issuer!;
		const identity = new UserIdentity(this, "UserIdentity", {
			issuer,
			audience,
			workspaces,
			models: config,
			modelVpcId:
				endpoints !== undefined && config.endpoints.includes(config.modelUpstream)
					? network.vpc?.vpcId
					: undefined,
			maxHours,
		});
		// IAM reads the issuer's document and certificate when the provider is created.
		if (ownIssuer !== undefined) identity.provider.node.addDependency(...ownIssuer.published);
		const runtime = new AgentRuntime(this, "AgentRuntime", {
			config,
			issuer,
			identity,
			workspaces,
			network,
			key,
		});

		operators.allowMachines(runtime);

		const table = makeDeliveriesTable(this, "Nonces");
		const retention = new Retention(this, "Retention", {
			workspaces,
			atOnce: config.retentionAtOnce,
			key,
			logDays,
		});
		let watched: Watched = { runtime, retention };
		if (webhookApi !== undefined && ownIssuer !== undefined) {
			const { channels, rotationDays, rotationDryRun, feishuHost } = config;
			const secrets = new ChannelSecrets(this, "Secrets", {
				channels,
				rotationDays,
				dryRun: rotationDryRun,
				feishuHost,
				webhookUrl: `${webhookApi.url}/webhook`,
				table,
				logKey: key,
				logDays,
			});
			const router = new Router(this, "Router", {
				config,
				webhookApi,
				issuer: ownIssuer,
				runtime,
				secrets,
				table,
				key,
			});
			operators.allowUsers(router.users);
			watched = { ...watched, webhookApi, issuer: ownIssuer, router, secrets };
			new CfnOutput(this, "UsersTable", { value: router.users.tableName });
			new CfnOutput(this, "WorkerLogs", { value: router.worker.fn.logGroup.logGroupName });
			for (const channel of channels)
				new CfnOutput(this, `Webhook${channel}`, { value: `${webhookApi.url}/webhook/${channel}` });
			for (const [channel, secret] of Object.entries(secrets.secrets))
				new CfnOutput(this, `Secret${channel}`, { value: secret.secretName });
		}
		const audit = new Audit(this, "Audit", {
			workspaces,
			keys: [
				key,
				workspaces.key,
				...(ownIssuer === undefined ? [] : [ownIssuer.signingKey]),
				...(watched.secrets === undefined ? [] : [watched.secrets.key]),
			] as kms.IKey[],
			provider: identity.provider,
			runtimeId: runtime.runtime.agentRuntimeId,
			users: watched.router?.users,
			topic,
			key,
			logDays,
			auditTrail: config.auditTrail,
			dataEvents: config.dataEvents,
			reads: config.falco,
		});
		const falco = config.falco
			? new Falco(this, "Falco", {
					config,
					trail: audit.trailFiles!,
					workspaces,
					userRole: identity.role,
					s3EndpointId,
					zoneIds: this.#zoneIds.length > 0 ? this.#zoneIds : this.#chooseZones(config),
					key,
				})
			: undefined;
		if (falco !== undefined) new CfnOutput(this, "FalcoAlerts", { value: falco.alerts.topicArn });
		new Observability(this, "Observability", {
			watched: { ...watched, audit, ...(falco && { falco }) },
			topic,
			platformVersion: platformVersion(this, config),
		});
		new CfnOutput(this, "OperatorRole", { value: operators.operator.roleArn });
		new CfnOutput(this, "RepairerRole", { value: operators.repairer.roleArn });
		new CfnOutput(this, "StoreUrl", { value: `s3://${workspaces.bucket.bucketName}` });
		new CfnOutput(this, "RuntimeArn", { value: runtime.arn });
		new CfnOutput(this, "IssuerUrl", { value: issuer });
	}

	/** Zones are identified by id, so nobody needs to look up the names in this account. */
	override get availabilityZones(): string[] {
		return [...this.#zoneIds];
	}

	#chooseZones({ zoneIds, zones }: Config): readonly string[] {
		if (zoneIds.length === 0) return pickZones(this, zones);
		checkZones(this.region, zoneIds);
		return zoneIds;
	}
}

function adoptedBy({ bucketName, bucketKeyArn }: Config): Adopted | undefined {
	if (bucketName === undefined || bucketKeyArn === undefined) return undefined;
	return { bucketName, keyArn: bucketKeyArn };
}

function stackProps({ account, region }: Config): StackProps {
	return {
		description: "OpenClaw on AgentCore: one machine and one workspace per user",
		env: { ...(account !== undefined && { account }), ...(region !== undefined && { region }) },
	};
}
