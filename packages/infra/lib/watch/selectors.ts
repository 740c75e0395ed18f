/** What the trail records. */
import type { CfnTrail } from "aws-cdk-lib/aws-cloudtrail";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as s3 from "aws-cdk-lib/aws-s3";

type Selector = CfnTrail.AdvancedEventSelectorProperty;

export interface Recorded {
	/** Whether the trail records management events. */
	readonly isOwn: boolean;
	/** Whether it also records those that only read. */
	readonly reads: boolean;
	readonly users: dynamodb.ITable | undefined;
	/** The bucket whose objects are recorded. */
	readonly objects: s3.IBucket | undefined;
}

export function selectors({ isOwn, reads, users, objects }: Recorded): readonly Selector[] {
	return [
		...(isOwn ? [MANAGEMENT_WRITES] : []),
		...(isOwn && reads ? [MANAGEMENT_READS] : []),
		...(users === undefined ? [] : [changesOf(users)]),
		...(objects === undefined ? [] : [objectsOf(objects)]),
	];
}

/** KMS's cryptographic calls count as reads, so they cost nothing here. */
const MANAGEMENT_WRITES: Selector = {
	name: "changes",
	fieldSelectors: [
		{ field: "eventCategory", equalTo: ["Management"] },
		{ field: "readOnly", equalTo: ["false"] },
	],
};

/** Most of an account's reads are KMS's. An exchange of a token at STS counts as a read. */
const MANAGEMENT_READS: Selector = {
	name: "reads",
	fieldSelectors: [
		{ field: "eventCategory", equalTo: ["Management"] },
		{ field: "readOnly", equalTo: ["true"] },
		{ field: "eventSource", notEquals: ["kms.amazonaws.com"] },
	],
};

function objectsOf(bucket: s3.IBucket): Selector {
	return {
		name: "objects",
		fieldSelectors: [
			{ field: "eventCategory", equalTo: ["Data"] },
			{ field: "resources.type", equalTo: ["AWS::S3::Object"] },
			{ field: "resources.ARN", startsWith: [`${bucket.bucketArn}/`] },
		],
	};
}

/**
 * Who allowed whom: an operator who adds a sender of their own can ask another person's agent. A
 * change of a user costs $0.000001.
 */
function changesOf(users: dynamodb.ITable): Selector {
	return {
		name: "users",
		fieldSelectors: [
			{ field: "eventCategory", equalTo: ["Data"] },
			{ field: "resources.type", equalTo: ["AWS::DynamoDB::Table"] },
			{ field: "resources.ARN", equalTo: [users.tableArn] },
			{ field: "readOnly", equalTo: ["false"] },
		],
	};
}
