import { outputOf } from "./run.ts";
import type { Tool } from "./tool.ts";

export interface Layer {
	/** The unpacked size. */
	readonly bytes: number;
	/** The instruction that made it. */
	readonly step: string;
}

/** From the lowest up, without empty layers. */
export function layersOf(tool: Tool, image: string): readonly Layer[] {
	// Buildah does not report sizes of layers.
	const teller = tool === "buildah" ? "podman" : tool;
	const format = teller === "docker" ? "{{json .}}" : "json";
	const text = outputOf([
		teller,
		"history",
		"--human=false",
		"--no-trunc",
		"--format",
		format,
		image,
	]);
	const rows =
		teller === "docker" ? text.split("\n").map((line) => JSON.parse(line)) : JSON.parse(text);
	return (rows as readonly Record<string, unknown>[])
		.map((row) => ({ bytes: Number(row.size ?? row.Size), step: String(row.CreatedBy) }))
		.filter(({ bytes }) => bytes > 0)
		.reverse();
}

const MB = 1_000_000;

export function layerTable(layers: readonly Layer[]): string {
	const total = layers.reduce((sum, { bytes }) => sum + bytes, 0);
	const line = (bytes: number, text: string) =>
		`${(bytes / MB).toFixed(1).padStart(8)} MB  ${text}`;
	return [
		...layers.map(({ bytes, step }) => line(bytes, nameOf(step))),
		line(total, "together"),
	].join("\n");
}

/** How builders record `COPY --from=system / /`: buildah keeps only the target. */
function nameOf(step: string): string {
	const place = / in (\/\S*)\s*$/.exec(step)?.[1];
	return (
		place ??
		step
			.replace(/^\/bin\/sh -c #\(nop\) /, "")
			.replace(/\s+/g, " ")
			.slice(0, 100)
	);
}
