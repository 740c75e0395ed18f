/**
 * Our own OpenID issuer: a key that never leaves KMS, and the two documents with which others
 * verify its signatures. The worker signs. This construct has only the key, the function's role and
 * the public documents.
 */
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import { Construct, type IDependable } from "constructs";
import type { WebhookApi } from "../chats/webhook-api.ts";
import { allow, BundledFunction } from "../parts/bundled-function.ts";

export interface IssuerProps {
	readonly webhookApi: WebhookApi;
	readonly key: kms.IKey;
	readonly logDays: number;
}

export class Issuer extends Construct {
	readonly signingKey: kms.Key;
	readonly handler: BundledFunction;
	/** `GET /.well-known/jwks.json`: the keys that verify every token. */
	readonly keysMethod: apigateway.Method;
	/** What must exist before somebody can read the documents. */
	readonly published: readonly IDependable[];
	/** The `iss` of the tokens. */
	readonly url: string;

	constructor(scope: Construct, id: string, { webhookApi, key, logDays }: IssuerProps) {
		super(scope, id);
		this.url = webhookApi.url;
		this.signingKey = new kms.Key(this, "SigningKey", {
			description: "Signs the tokens that identify users",
			// RS256, which STS and every OpenID library support.
			keySpec: kms.KeySpec.RSA_2048,
			keyUsage: kms.KeyUsage.SIGN_VERIFY,
			removalPolicy: RemovalPolicy.DESTROY,
			pendingWindow: Duration.days(7),
		});
		this.handler = new BundledFunction(this, "Handler", {
			entry: "issuer",
			description: "Publishes the issuer's keys",
			timeout: Duration.seconds(10),
			memory: 512,
			environment: { SIGNING_KEY_ID: this.signingKey.keyId, ISSUER: this.url },
			key,
			logDays,
		});
		allow(this.handler.role, "ReadPublicKey", ["kms:GetPublicKey"], [this.signingKey.keyArn]);
		const wellKnown = webhookApi.api.root.addResource(".well-known");
		const integration = new apigateway.LambdaIntegration(this.handler.fn, {
			timeout: Duration.seconds(10),
			allowTestInvoke: false,
		});
		const discovery = wellKnown.addResource("openid-configuration").addMethod("GET", integration);
		this.keysMethod = wellKnown.addResource("jwks.json").addMethod("GET", integration);
		// A method contains the permission to call the function, on which no stage depends.
		this.published = [discovery, this.keysMethod, ...webhookApi.reachable];
	}

	/**
	 * Lets one role sign, and denies it to everyone else, administrators included: a token for any user
	 * can be made with this key. docs/security.md says how an administrator gets around it.
	 */
	allowSigning(role: iam.Role): void {
		allow(role, "SignTokens", ["kms:Sign", "kms:GetPublicKey"], [this.signingKey.keyArn]);
		this.signingKey.addToResourcePolicy(
			new iam.PolicyStatement({
				sid: "OnlyTheWorkerSigns",
				effect: iam.Effect.DENY,
				principals: [new iam.AnyPrincipal()],
				actions: ["kms:Sign"],
				resources: ["*"],
				conditions: { ArnNotEquals: { "aws:PrincipalArn": role.roleArn } },
			}),
		);
	}
}
