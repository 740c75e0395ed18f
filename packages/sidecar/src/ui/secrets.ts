/**
 * Whether a person must agree before the content of a file is shown.
 *
 * Finds what captures find: places where the profile expects secrets, and secrets in text. Does NOT
 * look into databases or into what `SecretScanner` leaves out, and sees only the bytes it is given.
 */
import { quarantineHome, quarantineWriter } from "../log/safe-path.ts";
import type { Path } from "../log/types.ts";
import type { Profile } from "../workspace/profile.ts";
import { SecretScanner } from "../workspace/secrets/scanner.ts";

export function isSecretPlace(profile: Pick<Profile, "secret">, path: Path): boolean {
	const writer = quarantineWriter(path);
	return profile.secret(
		writer === undefined ? path : path.slice(quarantineHome(writer).length + 1),
	);
}

/** The kinds of secrets in a file's first bytes. */
export function secretKinds(bytes: Buffer): string[] {
	const kinds = new Set<string>();
	new SecretScanner((kind) => kinds.add(kind)).take(bytes, 0, true, true);
	return [...kinds];
}
