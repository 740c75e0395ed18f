/** The results as a table: one line per check. */
export type Outcome = "ok" | "FAILED" | "skipped";

/** A rule that raises many alerts must not fill the table. */
const MOST_LINES = 20;

export class Report {
	readonly #counts: Record<Outcome, number> = { ok: 0, FAILED: 0, skipped: 0 };

	heading(text: string): void {
		console.log(`\n== ${text}`);
	}

	add(outcome: Outcome, what: string, detail = "", lines: readonly string[] = []): void {
		this.#counts[outcome]++;
		console.log(`${outcome.padEnd(8)} ${what.padEnd(66)} ${detail}`.trimEnd());
		for (const line of lines.slice(0, MOST_LINES)) console.log(`         ${line}`);
		if (lines.length > MOST_LINES) console.log(`         and ${lines.length - MOST_LINES} more`);
	}

	/** ok if there is no problem. */
	judge(what: string, problems: readonly string[], detail = ""): void {
		this.add(problems.length === 0 ? "ok" : "FAILED", what, detail, problems);
	}

	/**
	 * @returns the exit status: 1 if something failed, 3 if nothing failed but something could not be
	 * checked
	 */
	finish(): number {
		const { ok, FAILED, skipped } = this.#counts;
		console.log(`\n${ok} passed, ${FAILED} failed, ${skipped} skipped`);
		return FAILED > 0 ? 1 : skipped > 0 ? 3 : 0;
	}
}
