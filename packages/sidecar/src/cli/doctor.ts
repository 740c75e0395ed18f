import { ERRORS, printable, SidecarError } from "../errors.ts";
import type { Command } from "./command.ts";
import { displayOf } from "./display.ts";
import type { Ending } from "./ending.ts";
import { count } from "./format.ts";
import { fitted } from "./help.ts";

export const doctor: Command = {
	name: "doctor",
	summary: "Check the store, the credentials, the disk and the machine.",
	notes: [
		"Every check runs, even if another fails. The probe leaves one object of 28 bytes in the store, which nothing refers to.",
		"Exit status 0 if no problem was found, otherwise that of the worst problem. Warnings do not count.",
	],
	options: [
		{
			flags: "--explain <TEXT>",
			description: "Run no check; explain an error code, or the codes in a pasted message.",
		},
		{
			flags: "--try-forbidden",
			description: "Also try to overwrite and to delete the probe object; both should be denied.",
		},
	],
	async run({ config, out }, _args, options) {
		const library = await import("../library/doctor.ts");
		if (options.explain !== undefined) {
			const found = library.explain(String(options.explain));
			if (config.json) await out.json({ codes: found });
			else for (const line of found.flatMap(explained)) await out.line(line);
			return 0;
		}
		const diagnosis = await library.doctor({
			settings: config,
			tryForbidden: options.tryForbidden === true,
		});
		if (config.json) await out.json(diagnosis);
		else {
			const { columns } = displayOf(config, process.stdout, process.env);
			for (const text of diagnosisLines(diagnosis))
				for (const part of fitted(text, columns, INDENT)) await out.line(part);
		}
		return diagnosisEnding(diagnosis);
	},
};

type Library = typeof import("../library/doctor.ts");
type Diagnosis = Awaited<ReturnType<Library["doctor"]>>;
type Check = Diagnosis["checks"][number];
type Explanation = ReturnType<Library["explain"]>[number];

/** The error of the worst problem. */
export function diagnosisEnding({ checks, exitStatus }: Diagnosis): Ending {
	const worst = checks.find(
		(check) => check.status === "problem" && ERRORS[check.code].exitStatus === exitStatus,
	);
	if (worst?.status !== "problem") return exitStatus;
	const { code, name, remedy } = worst;
	return new SidecarError(code, { reason: `the check "${name}" found this`, remedy });
}

const MARKS = {
	ok: "ok     ",
	warning: "WARNING",
	problem: "PROBLEM",
	"not-tested": "-      ",
} as const;
const INDENT = " ".repeat(MARKS.ok.length + 2);

/** @param onlyFindings leaves out what is well and what was not tested */
export function diagnosisLines(
	{ checks }: Diagnosis,
	{ onlyFindings = false }: { readonly onlyFindings?: boolean } = {},
): string[] {
	const isFinding = ({ status }: Check) => status === "warning" || status === "problem";
	const lines = checks
		.filter((check) => !onlyFindings || isFinding(check))
		.flatMap((check) => {
			const first = `${MARKS[check.status]}  ${check.name}: ${line(check.status === "not-tested" ? `not tested: ${check.found}` : check.found)}`;
			if (check.status === "warning") return [first, `${INDENT}what to do: ${line(check.remedy)}`];
			if (check.status !== "problem") return [first];
			return [first, `${INDENT}what to do: ${line(check.remedy)}`, `${INDENT}code: ${check.code}`];
		});
	const counted = (status: keyof typeof MARKS) =>
		checks.filter((check) => check.status === status).length;
	const [problems, warnings] = [counted("problem"), counted("warning")];
	const first = checks.find(({ status }) => status === "problem");
	const start =
		first === undefined ? "" : `; start with the first, ${first.name}: it may cause the others`;
	return [
		...lines,
		...(lines.length === 0 ? [] : [""]),
		problems + warnings === 0
			? "all is well"
			: `${count(problems, "problem")}, ${count(warnings, "warning")}${start}`,
	];
}

function explained({ code, meaning, cause, remedy, exitStatus }: Explanation): string[] {
	return [
		`${code}: ${meaning}`,
		...(cause === undefined ? [] : [`  cause: ${cause}`]),
		`  what to do: ${remedy}`,
		...(exitStatus === undefined ? [] : [`  exit status: ${exitStatus}`]),
	];
}

function line(text: string): string {
	return printable(text, 2_000);
}
