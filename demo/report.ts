/** What the demo says: one line for each step, with its time, and a list of what was proven at the end. */

const isTerminal = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const style = (code: number) => (text: string) => (isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text);
const [bold, dim, green, red] = [1, 2, 32, 31].map(style) as [Style, Style, Style, Style];
type Style = (text: string) => string;

const TEXT_WIDTH = 64;

/** A step that failed ends the story. */
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
		console.log(dim(indent(text)));
	}

	fact(name: string, text: string): void {
		console.log(indent(`${dim(name.padEnd(9))} ${text}`));
	}

	/** Does something and says what came of it; what `work` returns is shown beside it. A failure ends the story. */
	async step(text: string, work: () => Promise<string> | string): Promise<void> {
		const started = performance.now();
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

	/** A claim: shown with its check mark, and again at the end. A false one does not end the story, but the demo's status tells. */
	claim(text: string, problems: readonly string[], detail = ""): void {
		this.#line(problems.length === 0 ? green("✓") : red("✗"), text, "", detail);
		if (problems.length > 0) this.#failures++;
		else this.#proven.push(text);
		const shown = problems.slice(0, 10);
		if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
		for (const problem of shown) console.log(red(indent(problem, 6)));
	}

	summary(): void {
		const took = seconds(performance.now() - this.#started);
		if (this.#failures > 0) {
			this.title(red(`${this.#failures} ${this.#failures === 1 ? "check" : "checks"} failed`));
			console.log(indent(`after ${took}`));
			return;
		}
		this.title(`What was proven, in ${took}`);
		for (const text of this.#proven) console.log(indent(`- ${text}`));
	}

	#line(mark: string, text: string, time: string, detail = ""): void {
		const right = [time.padStart(7), detail].join("  ").trimEnd();
		console.log(`  ${mark} ${text.padEnd(TEXT_WIDTH)} ${dim(right)}`.trimEnd());
	}
}

function indent(text: string, spaces = 2): string {
	return text.replace(/^/gm, " ".repeat(spaces));
}

export function seconds(ms: number): string {
	return `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;
}

export function bytes(count: number): string {
	if (count < 1_000) return `${count} B`;
	const [divisor, unit] = count < 1_000_000 ? [1_000, "kB"] : [1_000_000, "MB"];
	return `${(count / (divisor as number)).toFixed(count / (divisor as number) < 10 ? 1 : 0)} ${unit}`;
}

export function many(count: number, noun: string): string {
	return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
