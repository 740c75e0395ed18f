/**
 * Saved queries for the logs (CloudWatch, Logs Insights, folder with the stack's name). The field
 * names are those of the log lines. Alarms and documents name these queries, and a test checks that
 * each name exists.
 */
import { Stack } from "aws-cdk-lib";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import type { Watched } from "./alarms.ts";

type Queries = Readonly<Record<string, string>>;

const MACHINES: Queries = {
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
	// Measurements are lines in CloudWatch's metric format; \`durability.measured\` is a debug line.
	"durability lag": `filter ispresent(DurabilityLag)
| stats max(DurabilityLag) as worst, avg(DirtyFiles) as files by bin(5m)`,
	"machines that did not start": `fields @timestamp, namespace, error.code, error.message, @logStream
| filter event = "machine.not-started"
| sort @timestamp desc`,
	"secrets found": `fields @timestamp, namespace, path, secretKind, @logStream
| filter event = "security.secret-found"
| sort @timestamp desc`,
};

const WEBHOOK: Queries = {
	"refused webhooks": `filter event = "webhook.refused"
| stats count(*) as times, latest(@timestamp) as last, latest(reason) as example by code, path
| sort times desc`,
	"failed webhooks": `fields @timestamp, path, error.name, error.code, error.message
| filter level = "error" or @message like /Task timed out|Runtime exited/
| sort @timestamp desc`,
	strangers: `filter event = "security.user-refused"
| stats count(*) as times, latest(@timestamp) as last by channel, sender
| sort times desc`,
};

const WORKER: Queries = {
	"failed turns": `fields @timestamp, event, deliveryId, messageId, attempt, reason, error.code, error.message
| filter level = "error" or level = "warn" or @message like /Task timed out|Runtime exited/
| sort @timestamp desc`,
};

const ISSUER: Queries = {
	"failed issuer": `fields @timestamp, error.name, error.code, error.message
| filter level = "error" or @message like /Task timed out|Runtime exited/
| sort @timestamp desc`,
};

const ROTATIONS: Queries = {
	"failed rotations": `fields @timestamp, event, channel, step, versionId, error.code, error.message, message.errorMessage, @log
| filter level in ["error", "ERROR"] or @message like /Task timed out|Runtime exited/
| sort @timestamp desc`,
};

const FIREWALL: Queries = {
	"blocked requests": `filter action = "BLOCK"
| stats count(*) as times, latest(@timestamp) as last by terminatingRuleId, httpRequest.uri, httpRequest.clientIp
| sort times desc
| limit 100`,
};

const RETENTION: Queries = {
	"failed retention": `fields @timestamp, namespace, task, attempt, error.code, error.message
| filter level = "error" or @message like /Task timed out|Runtime exited/
| sort @timestamp desc`,
	"progress of retention": `fields @timestamp, event, names, last, isLast, messages
| filter event in ["retention.round-started", "retention.page-listed", "retention.round-continues"]
| sort @timestamp desc`,
};

/** The rule's log has events in `detail`; the trail's has all changes of the account. */
const changes = (stackName: string): Queries => ({
	"changes of the protection": `fields @timestamp, coalesce(detail.eventName, eventName) as change, coalesce(detail.userIdentity.arn, userIdentity.arn) as who, coalesce(detail.sourceIPAddress, sourceIPAddress) as origin, coalesce(detail.errorCode, errorCode) as refused
| filter ispresent(detail.eventName) or (eventCategory = "Management" and @message like /${stackName}/)
| sort @timestamp desc`,
});

const OBJECTS: Queries = {
	"denied access to objects": `fields @timestamp, userIdentity.arn, eventName, requestParameters.key, errorCode, sourceIPAddress
| filter ispresent(errorCode) and errorCode like /AccessDenied/
| sort @timestamp desc`,
};

const FALCO: Queries = {
	"alerts of Falco": `fields @timestamp, priority, rule, output, @message
| filter ispresent(rule) or @message like /ERROR/
| sort @timestamp desc`,
};

const FINDINGS: Queries = {
	"failed findings": `fields @timestamp, rule, error.name, error.message
| filter level = "error" or @message like /Task timed out|Runtime exited/
| sort @timestamp desc`,
};

export function saveQueries(
	scope: Construct,
	{ runtime, retention, audit, falco, webhookApi, issuer, router, secrets }: Watched,
): void {
	const save = (questions: Queries, ...groups: readonly logs.ILogGroup[]) => {
		for (const [name, queryString] of Object.entries(questions)) {
			new logs.CfnQueryDefinition(scope, name, {
				name: `${Stack.of(scope).stackName}/${name}`,
				queryString,
				logGroupNames: groups.map(({ logGroupName }) => logGroupName),
			});
		}
	};
	save(MACHINES, runtime.logGroup);
	save(RETENTION, retention.handler.logGroup);
	if (router !== undefined) {
		save(WEBHOOK, router.webhook.logGroup);
		save(WORKER, router.worker.logGroup);
	}
	if (issuer !== undefined) save(ISSUER, issuer.handler.logGroup);
	if (secrets !== undefined) save(ROTATIONS, ...secrets.rotations.map(({ logGroup }) => logGroup));
	if (webhookApi !== undefined) save(FIREWALL, webhookApi.firewall.logGroup);
	if (falco !== undefined) {
		save(FALCO, falco.logGroup);
		save(FINDINGS, falco.findings.logGroup);
	}
	if (audit === undefined) return;
	const trail = audit.trailLogs === undefined ? [] : [audit.trailLogs];
	save(changes(Stack.of(scope).stackName), audit.changes, ...trail);
	if (audit.hasDataEvents) save(OBJECTS, ...trail);
}
