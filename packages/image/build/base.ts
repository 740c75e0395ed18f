/**
 * `pnpm image:base [TAG]` asks the registry for the digest of the base image's tag, and writes it
 * into the Containerfile: from then on every build uses exactly these bytes. With TAG it moves to
 * another tag first. `--check` writes nothing, and fails unless the newest digest is already there.
 *
 * Run it for each security release of Debian or Node, and build and test the image then.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Base, baseIn, withBase } from "./base-line.ts";
import { ROOT } from "./place.ts";
import { digestOf } from "./registry.ts";

const CONTAINERFILE = join(ROOT, "Containerfile");

const {
	values: { check },
	positionals: [tag],
} = parseArgs({ options: { check: { type: "boolean", default: false } }, allowPositionals: true });

const text = readFileSync(CONTAINERFILE, "utf8");
const { digest: known, ...base } = baseIn(text);
const newest: Base = { ...base, ...(tag !== undefined && { tag }) };
const digest = await digestOf(newest).catch((error: Error) => {
	const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
	console.error(
		`the digest of ${newest.name}:${newest.tag} is not known: ${error.message}${cause}. Run it where that registry can be reached`,
	);
	process.exit(1);
});
if (digest === known) console.log(`${newest.name}:${newest.tag} is still ${digest}`);
else if (check) {
	console.error(
		`${newest.name}:${newest.tag} is ${digest}, and the Containerfile has ${known ?? "no digest"}: run \`pnpm image:base\`, and test the image`,
	);
	process.exitCode = 1;
} else {
	writeFileSync(CONTAINERFILE, withBase(text, { ...newest, digest }));
	console.log(`${newest.name}:${newest.tag} is ${digest}; now run \`pnpm image:test\``);
}
