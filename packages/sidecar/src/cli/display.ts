/** What a result is printed on: how wide it is, and whether it shows colours. */
import { styleText } from "node:util";
import type { Config } from "../config/options.ts";

export interface Display {
	/** A person reads it. */
	readonly isTerminal: boolean;
	/** Undefined: lines are never cut. */
	readonly columns: number | undefined;
	/** Applies a style of `util.styleText`, or does nothing. */
	readonly style: (style: Style, text: string) => string;
}

export type Style = Parameters<typeof styleText>[0];

export interface DisplayStream {
	readonly isTTY?: boolean | undefined;
	readonly columns?: number | undefined;
}

export function displayOf(
	{ color }: Pick<Config, "color">,
	{ isTTY = false, columns }: DisplayStream,
	env: NodeJS.ProcessEnv,
): Display {
	const style = (style: Style, text: string) => styleText(style, text, { validateStream: false });
	return {
		isTerminal: isTTY,
		columns: isTTY ? columns || 80 : undefined,
		style: isColoured(color, isTTY, env) ? style : (_style, text) => text,
	};
}

/** The option, then FORCE_COLOR, then NO_COLOR (any text but none), then the terminal. */
function isColoured(color: Config["color"], isTTY: boolean, env: NodeJS.ProcessEnv): boolean {
	if (color !== "auto") return color === "always";
	const { FORCE_COLOR: force, NO_COLOR: no = "", TERM } = env;
	if (force !== undefined) return force !== "0" && force !== "false";
	return no === "" && isTTY && TERM !== "dumb";
}
