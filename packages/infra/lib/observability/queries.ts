/**
 * Saved queries for the logs (CloudWatch, Logs Insights, folder with the stack's name). The field
 * names are those of the daemon's log lines.
 */
import { Stack } from "aws-cdk-lib";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

export interface QuerySources {
	/** The machines' logs. */
	readonly machines: logs.ILogGroup;
	/** The log of CloudTrail's data events. */
	readonly trail?: logs.ILogGroup | undefined;
}

const MACHINES = {
	"errors by code": `fields @timestamp, error.code, event
| filter level = "error" or level = "warn"
| stats count(*) as times, latest(@timestamp) as last, latest(error.message) as example by error.code, event
| sort times desc`,
	"slow restores": `fields @timestamp, namespace, ms / 1000 as seconds, files, bytes, @logStream
| filter event = "restore.finished"
| sort ms desc
| limit 50`,
	"fenced writers": `fields @timestamp, event, namespace, writer, @logStream
| filter event in ["writer.superseded", "fence.lost"]
| sort @timestamp desc`,
	"denied access": `fields @timestamp, event, namespace, asked, error.code, error.message, @logStream
| filter kind = "security" or error.code in ["STORE_ACCESS_DENIED", "IDENTITY_REFUSED", "NAMESPACE_FOREIGN"]
| sort @timestamp desc`,
	"durability lag": `filter event = "durability.measured"
| stats max(lagMs) / 1000 as worst, avg(dirtyFiles) as files by bin(5m)`,
};

const TRAIL = {
	"denied access to objects": `fields @timestamp, userIdentity.arn, eventName, requestParameters.key, errorCode, sourceIPAddress
| filter ispresent(errorCode) and errorCode like /AccessDenied/
| sort @timestamp desc`,
};

export function saveQueries(scope: Construct, { machines, trail }: QuerySources): void {
	const save = (questions: Readonly<Record<string, string>>, group: logs.ILogGroup) => {
		for (const [name, queryString] of Object.entries(questions)) {
			new logs.CfnQueryDefinition(scope, name, {
				name: `${Stack.of(scope).stackName}/${name}`,
				queryString,
				logGroupNames: [group.logGroupName],
			});
		}
	};
	save(MACHINES, machines);
	if (trail !== undefined) save(TRAIL, trail);
}
