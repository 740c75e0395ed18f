import { printable } from "../errors.ts";
import type { Command } from "./command.ts";
import { count } from "./format.ts";

export const doctor: Command = {
	name: "doctor",
	summary: "Check the store, the credentials, the disk and the machine, and say what to do.",
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
		else for (const line of shown(diagnosis)) await out.line(line);
		return diagnosis.exitStatus;
	},
};

type Library = typeof import("../library/doctor.ts");
type Diagnosis = Awaited<ReturnType<Library["doctor"]>>;
type Explanation = ReturnType<Library["explain"]>[number];

const MARKS = {
	ok: "ok     ",
	warning: "WARNING",
	problem: "PROBLEM",
	"not-tested": "-      ",
} as const;
const INDENT = " ".repeat(MARKS.ok.length + 2);

function shown({ checks }: Diagnosis): string[] {
	const lines = checks.flatMap((check) => {
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
		"",
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
