/**
 * Simulates STS for S3 sessions: a session of MinIO with the S3 part of the policy, because MinIO
 * refuses a policy with actions of other services. Only the S3 server checks the policy.
 */
import { makeRestrictedUser } from "../store/s3-server.ts";
import { LocalServer } from "./local-server.ts";

export interface AssumedRole {
	readonly roleArn: string;
	readonly policy: string;
	readonly serial: string | undefined;
	readonly code: string | undefined;
}

export class FakeSts implements AsyncDisposable {
	readonly assumed: AssumedRole[] = [];
	/** Refuses a session without MFA. */
	needsMfa = false;
	#server: LocalServer | undefined;

	/** Points the SDK at this server. */
	static async start(): Promise<FakeSts> {
		const fake = new FakeSts();
		fake.#server = await LocalServer.start(async ({ body }) => {
			const input = new URLSearchParams(body.toString());
			if (input.get("Action") === "GetCallerIdentity")
				return answer(
					200,
					"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::111111111111:assumed-role/Operator/otto</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
				);
			const policy = input.get("Policy") ?? "";
			const role = {
				roleArn: input.get("RoleArn") ?? "",
				policy,
				serial: input.get("SerialNumber") ?? undefined,
				code: input.get("TokenCode") ?? undefined,
			};
			fake.assumed.push(role);
			if (fake.needsMfa && role.code === undefined)
				return answer(
					403,
					"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>",
				);
			const session = await makeRestrictedUser(forS3(policy));
			return answer(
				200,
				`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${session.accessKeyId}</AccessKeyId><SecretAccessKey>${session.secretAccessKey}</SecretAccessKey><SessionToken>${session.sessionToken}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			);
		});
		process.env.AWS_ENDPOINT_URL_STS = fake.#server.url;
		return fake;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}

function answer(status: number, body: string) {
	return { status, headers: { "content-type": "text/xml" }, body };
}

function forS3(policy: string): string {
	const { Statement, ...rest } = JSON.parse(policy) as {
		readonly Statement: readonly { readonly Action: string | readonly string[] }[];
	};
	const kept = Statement.filter(({ Action }) =>
		[Action].flat().every((name) => name.startsWith("s3:")),
	);
	const none = { Effect: "Deny", Action: "s3:*", Resource: "arn:aws:s3:::*" };
	return JSON.stringify({ ...rest, Statement: kept.length > 0 ? kept : [none] });
}
