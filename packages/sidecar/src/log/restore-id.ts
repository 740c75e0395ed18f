/**
 * Names restores. A restore's moved files that the log did not have are quarantined below
 * `.recovered/{restore id}`, next to what superseded writers left there.
 *
 * 32 lower-case hex digits, like a writer's id: eight zeros, 12 digits of the time in ms since the
 * epoch, 12 random digits. No writer's id begins with eight zeros, which distinguishes the two.
 */
const PREFIX = "00000000";
const TIME_DIGITS = 12;

/** The number of random bytes in a restore id. */
export const RESTORE_ID_RANDOM_BYTES = 6;

/**
 * @param timeMs the machine's clock, ms since the epoch @param random RESTORE_ID_RANDOM_BYTES bytes
 */
export function restoreId(timeMs: number, random: Buffer): string {
	const time = Math.max(0, Math.trunc(timeMs)).toString(16).padStart(TIME_DIGITS, "0");
	return `${PREFIX}${time}${random.toString("hex")}`;
}

export function isRestoreId(id: string): boolean {
	return isReservedId(id) && id !== RAW_ID;
}

/** Whether the id is reserved, so that no writer may have it. */
export function isReservedId(id: string): boolean {
	return id.startsWith(PREFIX);
}

/** Directory below `.recovered/` for the raw bytes of databases, for all sessions. */
export const RAW_ID = "0".repeat(32);

/** When the restore began, ms since the epoch by its machine's clock. */
export function restoreTimeMs(id: string): number {
	return Number.parseInt(id.slice(PREFIX.length, PREFIX.length + TIME_DIGITS), 16);
}
