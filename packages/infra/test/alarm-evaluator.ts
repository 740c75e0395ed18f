/**
 * Alarms as CloudWatch evaluates them, over series of values.
 *
 * CloudWatch looks at more periods than the alarm counts. If enough of them have data, the newest
 * with data decide, however old they are. Otherwise missing ones are filled as the alarm says.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
 *
 * Expressions: the functions and operators that our alarms use. An unknown one is an error.
 */
import type { Template } from "aws-cdk-lib/assertions";
import { Deployed } from "./deployed.ts";

/** Values from the oldest to the newest period; undefined: none arrived. */
export type Series = readonly (number | undefined)[];
export type AlarmState = "OK" | "ALARM";

export interface EvaluatedAlarm {
	readonly id: string;
	/** As `lib/watch/alarms.ts` names it. */
	readonly name: string;
	/** Metrics by the name in the expression; without one, the only metric is `value`. */
	readonly inputs: readonly string[];
	readonly metric: string;
	readonly condition: string;
	readonly periods: string;
	readonly missing: string;
	readonly why: string;
	readonly threshold: number;
	readonly isBelow: boolean;
	/** Periods out of `of` that must be bad. */
	readonly bad: number;
	readonly of: number;
	evaluate(series: Readonly<Record<string, Series>>): AlarmState;
}

interface MetricProperties {
	readonly Namespace: string;
	readonly MetricName: string;
	readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
}

interface Query {
	readonly Id: string;
	readonly Expression?: string;
	readonly Label?: string;
	readonly Period?: number;
	readonly MetricStat?: {
		readonly Period: number;
		readonly Stat: string;
		readonly Metric: MetricProperties;
	};
	readonly ReturnData?: boolean;
}

interface Properties extends Partial<MetricProperties> {
	readonly Metrics?: readonly Query[];
	readonly Statistic?: string;
	readonly ExtendedStatistic?: string;
	readonly Period?: number;
	readonly Threshold: number;
	readonly ComparisonOperator: string;
	readonly EvaluationPeriods: number;
	readonly DatapointsToAlarm: number;
	readonly TreatMissingData: string;
	readonly AlarmDescription: string;
}

const BREACHES: Readonly<Record<string, (value: number, threshold: number) => boolean>> = {
	GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
	LessThanThreshold: (value, threshold) => value < threshold,
};

/** Periods beyond those that count, in which CloudWatch looks for data. */
const LOOKS_FURTHER_BACK = 2;

/** @throws Error for an alarm that uses what is not known here */
export function readAlarms(template: Template): readonly EvaluatedAlarm[] {
	const deployed = new Deployed(template);
	return Object.entries(template.findResources("AWS::CloudWatch::Alarm")).map(
		([id, { Properties: raw }]) => {
			const alarm = deployed.resolve(raw) as Properties;
			const breaches = BREACHES[alarm.ComparisonOperator];
			if (breaches === undefined) throw new Error(`${id}: ${alarm.ComparisonOperator}`);
			if (!["breaching", "notBreaching"].includes(alarm.TreatMissingData))
				throw new Error(`${id}: ${alarm.TreatMissingData}`);
			const { Threshold: threshold, EvaluationPeriods: of, DatapointsToAlarm: bad } = alarm;
			const isBelow = alarm.ComparisonOperator === "LessThanThreshold";
			const expression = alarm.Metrics?.find(({ Expression }) => Expression !== undefined);
			const inputs = (alarm.Metrics ?? []).filter(({ MetricStat }) => MetricStat !== undefined);
			const values = expression === undefined ? undefined : parse(expression.Expression!);
			const periodS = alarm.Period ?? inputs[0]!.MetricStat!.Period;
			const name = id.replace(/^Observability/, "").replace(/[0-9A-F]{8}$/, "");
			const evaluate = (series: Readonly<Record<string, Series>>): AlarmState => {
				const length = Math.max(0, ...Object.values(series).map((one) => one.length));
				const points =
					values === undefined
						? series.value!
						: Array.from({ length }, (_, index) => values(series, index));
				const seen = points.slice(-(of + LOOKS_FURTHER_BACK));
				const withData = seen.filter((value) => value !== undefined);
				const lacking = Math.max(0, of - withData.length);
				const counted: Series = [...withData.slice(-of), ...Array(lacking).fill(undefined)];
				const isBad = (value: number | undefined) =>
					value === undefined ? alarm.TreatMissingData === "breaching" : breaches(value, threshold);
				return counted.filter(isBad).length >= bad ? "ALARM" : "OK";
			};
			const isAlarmWithoutData = evaluate({
				value: Array(of).fill(undefined),
				...Object.fromEntries(inputs.map(({ Id }) => [Id, Array(of).fill(undefined)])),
			});
			return {
				id,
				name,
				inputs: expression === undefined ? ["value"] : inputs.map(({ Id }) => Id),
				metric:
					expression === undefined
						? `${alarm.MetricName} (${alarm.Namespace}), ${alarm.Statistic ?? alarm.ExtendedStatistic}`
						: `${expression.Label}: \`${expression.Expression}\``,
				condition: `${isBelow ? "<" : "≥"} ${threshold}`,
				periods: `${bad} of ${of} × ${periodS === 86_400 ? "1 day" : `${periodS / 60} min`}`,
				missing: isAlarmWithoutData === "ALARM" ? "**alarms**" : "quiet",
				why: alarm.AlarmDescription,
				...{ threshold, isBelow, bad, of, evaluate },
			};
		},
	);
}

type Values = (series: Readonly<Record<string, Series>>, index: number) => number | undefined;

/**
 * The expressions of metric math that our alarms use: `IF`, `FILL`, `AND`, `>`, `==`, numbers, ids.
 * A missing value makes everything missing that is computed from it.
 */
function parse(text: string): Values {
	const words = text.match(/[A-Za-z_]\w*|\d+(?:\.\d+)?|==|>|[(),]/g) ?? [];
	if (words.join("") !== text.replaceAll(/\s/g, "")) throw new Error(`not known here: ${text}`);
	let next = 0;
	const take = (expected?: string): string => {
		const word = words[next++];
		if (word === undefined || (expected !== undefined && word !== expected))
			throw new Error(`${expected ?? "a value"} is missing in: ${text}`);
		return word;
	};
	const both =
		(left: Values, right: Values, of: (a: number, b: number) => number): Values =>
		(...at) => {
			const [a, b] = [left(...at), right(...at)];
			return a === undefined || b === undefined ? undefined : of(a, b);
		};
	const value = (): Values => {
		const word = take();
		if (/^\d/.test(word)) return () => Number(word);
		if (words[next] !== "(") return (series, index) => series[word]?.[index];
		take("(");
		const first = expression();
		take(",");
		const second = expression();
		if (word === "FILL") {
			take(")");
			return (...at) => first(...at) ?? second(...at);
		}
		if (word !== "IF") throw new Error(`${word} is not known here: ${text}`);
		take(",");
		const third = expression();
		take(")");
		return (...at) => {
			const condition = first(...at);
			if (condition === undefined) return undefined;
			return condition !== 0 ? second(...at) : third(...at);
		};
	};
	const comparison = (): Values => {
		const left = value();
		if (words[next] !== ">" && words[next] !== "==") return left;
		const operator = take();
		return both(left, value(), (a, b) => Number(operator === ">" ? a > b : a === b));
	};
	const expression = (): Values => {
		let left = comparison();
		while (words[next] === "AND") {
			take("AND");
			left = both(left, comparison(), (a, b) => Number(a !== 0 && b !== 0));
		}
		return left;
	};
	const values = expression();
	if (next !== words.length) throw new Error(`${words.slice(next).join(" ")} is left of: ${text}`);
	return values;
}
