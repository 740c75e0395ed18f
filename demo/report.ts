/**
 * The demo's output: one line for each step with its time, and a list of proven claims at the end.
 */
import { many, seconds } from "../packages/testkit/format.ts";

const isTerminal = process.stdout.isTTY === true;
const isColoured = isTerminal && process.env.NO_COLOR === undefined;
type Style = (text: string) => string;
const style =
	(code: number): Style =>
	(text) =>
		isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;
const bold = style(1);
const dim = style(2);
const green = style(32);
const red = style(31);

const TEXT_WIDTH = 52;
const SHOWN_PROBLEMS = 10;

/** A step failed, and the story ends here. */
export class StoryFailed extends Error {}

export class Report {
	readonly #started = performance.now();
	readonly #proven: string[] = [];
	#failures = 0;

	get failures(): number {
		return this.#failures;
	}

	title(text: string): void {
		console.log(`\n${bold(text)}`);
	}

	note(text: string): void {
		console.log(dim(indent(text, 4)));
	}

	fact(name: string, text: string): void {
		console.log(`  ${dim(name.padEnd(9))} ${text}`);
	}

	/** Runs a step; its result is printed next to its time. @throws StoryFailed */
	async step(text: string, work: () => Promise<string> | string): Promise<void> {
		const started = performance.now();
		if (isTerminal) process.stdout.write(dim(`  … ${text}`));
		try {
			const detail = await work();
			this.#line(green("✓"), text, seconds(performance.now() - started), detail);
		} catch (error) {
			this.#failures++;
			this.#line(red("✗"), text, seconds(performance.now() - started));
			console.log(red(indent((error as Error).message, 4)));
			throw new StoryFailed(text, { cause: error });
		}
	}

	/** A check whose failure does not end the story but sets the demo's exit status. */
	check(text: string, problems: readonly string[], detail = ""): void {
		this.#line(problems.length === 0 ? green("✓") : red("✗"), text, "", detail);
		if (problems.length > 0) this.#failures++;
		for (const problem of firstOf(problems)) console.log(red(indent(problem, 6)));
	}

	/** A claim that is repeated at the end if nothing failed. */
	proves(text: string): void {
		this.#proven.push(text);
	}

	summary(): void {
		const took = seconds(performance.now() - this.#started);
		if (this.#failures > 0) {
			this.title(red(`${many(this.#failures, "check")} failed, after ${took}`));
			return;
		}
		this.title(`What was proven, in ${took}`);
		for (const text of this.#proven) console.log(`  - ${text.replaceAll("\n", "\n    ")}`);
	}

	#line(mark: string, text: string, time: string, detail = ""): void {
		const clear = isTerminal ? "\r\u001b[K" : "";
		console.log(
			`${clear}  ${mark} ${text.padEnd(TEXT_WIDTH)} ${dim(`${time.padStart(6)}  ${detail}`)}`.trimEnd(),
		);
	}
}

export function firstOf(problems: readonly string[]): readonly string[] {
	const left = problems.length - SHOWN_PROBLEMS;
	return left > 0 ? [...problems.slice(0, SHOWN_PROBLEMS), `and ${left} more`] : problems;
}

function indent(text: string, spaces: number): string {
	return text.replace(/^/gm, " ".repeat(spaces));
}
