/** The page's own files, read once: no request can reach another file. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { SidecarError } from "../errors.ts";

export interface Asset {
	readonly mediaType: string;
	readonly bytes: Uint8Array;
}

/** By the path of the URL. */
export type Assets = ReadonlyMap<string, Asset>;

const MEDIA_TYPES: Readonly<Record<string, string>> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
};

/** Beside the bundled command, and beside `src` in a checkout. */
const PLACES = ["./ui/", "../../dist/ui/"];

/** @throws SidecarError USAGE: the page was not built */
export function readAssets(places: readonly string[] = placesHere()): Assets {
	const directory = places.find((place) => existsSync(join(place, "index.html")));
	if (directory === undefined)
		throw new SidecarError("USAGE", {
			value: places[0] ?? "",
			reason: "the page's files are missing: this is not a complete installation",
			remedy: "install the npm package again; in a checkout, run `pnpm build`",
		});
	const files = readdirSync(directory, { recursive: true, withFileTypes: true });
	return new Map(
		files.flatMap((file) => {
			const mediaType = MEDIA_TYPES[extname(file.name)];
			if (!file.isFile() || mediaType === undefined) return [];
			const path = join(file.parentPath, file.name);
			const url = `/${relative(directory, path).split(sep).join("/")}`;
			return [[url, { mediaType, bytes: readFileSync(path) }] as const];
		}),
	);
}

function placesHere(): string[] {
	return PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
}
