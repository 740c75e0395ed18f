/** The fields in an output. */
export function outputFieldsOf(output: string | undefined): readonly string[] {
	return [...(output ?? "").matchAll(/%([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)/g)].map(
		([, field]) => field as string,
	);
}
