/**
 * How often a message is tried. 5 minutes in all: an update of the runtime refuses messages for up to
 * 204 s with platform version V2, as measured.
 */
export const ATTEMPTS = 8;

const FIRST_PAUSE_S = 10;
const MAX_PAUSE_S = 60;

/** 10, 20, 40 and then every 60 s. @param receives the attempts so far */
export function pauseAfterS(receives: number): number {
	return Math.min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** (receives - 1));
}
