/**
 * What a preflight check says: found and fine, worth a look, or in the way of a deployment; and
 * what to do about it.
 */
export interface Check {
	readonly name: string;
	readonly outcome: "ok" | "warning" | "failed";
	/** What is there. */
	readonly found: string;
	/** For what is not fine. */
	readonly remedy?: string;
}

export function ok(name: string, found: string): Check {
	return { name, outcome: "ok", found };
}

export function warning(name: string, found: string, remedy: string): Check {
	return { name, outcome: "warning", found, remedy };
}

export function failed(name: string, found: string, remedy: string): Check {
	return { name, outcome: "failed", found, remedy };
}

/**
 * Is version `found` at least `needed`? Compared number by number: 2.1148.1 is newer than 2.99.0,
 * and nothing newer is refused.
 */
export function isAtLeast(found: string, needed: string): boolean {
	const [have, want] = [found, needed].map((version) =>
		version.replace(/^v/, "").split(/[.-]/).map(Number),
	);
	for (const [index, number] of want!.entries()) {
		const difference = (have![index] ?? 0) - number;
		if (difference !== 0) return difference > 0;
	}
	return true;
}
