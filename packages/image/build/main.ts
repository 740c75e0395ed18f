/**
 * `pnpm image:build [--platform linux/arm64] [--tag NAME] [--base IMAGE] [--build-arg NAME=VALUE]...`
 * builds the image with docker, podman or buildah, whichever is installed, and prints the sizes of its
 * layers.
 */
import { parseArgs } from "node:util";
import { labels } from "./labels.ts";
import { layersOf, layerTable } from "./layers.ts";
import { OWN_ARCHITECTURE, ROOT } from "./place.ts";
import { buildImage, findTool } from "./tool.ts";

const { values } = parseArgs({
	options: {
		platform: { type: "string", default: `linux/${OWN_ARCHITECTURE}` },
		tag: { type: "string", default: "localhost/openclaw-sidecar:latest" },
		base: { type: "string" },
		"build-arg": { type: "string", multiple: true, default: [] },
	},
});

const tool = findTool();
if (tool === undefined) {
	console.error(
		"image:build needs docker, podman or buildah, and found none. On Debian: apt-get install buildah podman runc",
	);
	process.exit(2);
}
const { platform, tag, base, "build-arg": settings } = values;
buildImage({
	tool,
	tag,
	platform,
	...(base !== undefined && { base }),
	settings: Object.fromEntries(
		settings.map((setting) => {
			const [name = "", ...value] = setting.split("=");
			return [name, value.join("=")];
		}),
	),
	labels: labels(),
	root: ROOT,
});
console.log(`${tag} for ${platform}, built with ${tool}\n`);
console.log(layerTable(layersOf(tool, tag)));
