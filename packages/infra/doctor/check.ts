/**
 * The result of a preflight check: fine, worth attention, or an obstacle to a deployment, with a
 * remedy.
 */
export interface Check {
	readonly name: string;
	readonly outcome: "ok" | "warning" | "failed";
	/** What was found. */
	readonly found: string;
	/** The remedy, unless the result is fine. */
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
 * Is version `found` at least `needed`? Numbers are compared one by one: 2.1148.1 is newer than
 * 2.99.0, and newer versions are accepted.
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
