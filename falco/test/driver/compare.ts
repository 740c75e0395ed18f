/** Compares alerts with the expected ones. Pure: it uses no process and no file. */
import type { Case, Expected } from "./cases.ts";

/** A line of Falco with json_output. */
export interface Alert {
	readonly rule: string;
	readonly priority: string;
	readonly output: string;
	readonly output_fields: Readonly<Record<string, unknown>>;
}

const FILE_FIELDS = ["fd.name", "fs.path.name", "fs.path.source", "fs.path.target"];

/** @returns one line per difference; empty if exactly the expected alerts were raised */
export function differences(
	{ rule, kind }: Pick<Case, "rule" | "kind">,
	expected: readonly Expected[],
	alerts: readonly Alert[],
): readonly string[] {
	const left = [...alerts];
	const lines: string[] = [];
	for (const one of expected) {
		const wanted = one.count ?? 1;
		let got = 0;
		for (let i = left.length - 1; i >= 0; i--) {
			if (!fits(one, one.rule ?? rule, kind, left[i] as Alert)) continue;
			left.splice(i, 1);
			got++;
		}
		if (got !== wanted)
			lines.push(
				`expected ${wanted}, got ${got}: "${one.rule ?? rule}"${one.file === undefined ? "" : ` on ${one.file}`} (${one.does})`,
			);
	}
	for (const { output } of left) lines.push(`not expected: ${output}`);
	return lines;
}

function fits(
	expected: Expected,
	rule: string,
	kind: Case["kind"],
	{ rule: alerted, output_fields: fields }: Alert,
): boolean {
	if (alerted !== rule) return false;
	if (expected.event !== undefined) return fields["ct.id"] === expected.event;
	const uid = expected.uid ?? (kind === "syscall" ? 10_001 : undefined);
	if (uid !== undefined && fields["user.uid"] !== uid) return false;
	const { file } = expected;
	return (
		file === undefined ||
		FILE_FIELDS.some((name) => typeof fields[name] === "string" && isNamed(file, fields[name]))
	);
}

function isNamed(pattern: string, name: string): boolean {
	const source = pattern.split("<pid>").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
	return new RegExp(`^${source.join("\\d+")}$`).test(name);
}
