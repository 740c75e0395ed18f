/**
 * Prints the Debian packages of this system as CycloneDX, because the bills of npm and pnpm do not
 * list them.
 */
import { execFileSync } from "node:child_process";

const FORMAT = ["Package", "Version", "Architecture", "source:Package"]
	.map((field) => `\${${field}}`)
	.join("\t");

const rows = execFileSync("dpkg-query", ["--show", "--showformat", `${FORMAT}\n`], {
	encoding: "utf8",
})
	.trim()
	.split("\n");
const components = rows.map((row) => {
	const [name = "", version = "", architecture = "", source = ""] = row.split("\t");
	const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
	return {
		type: "library",
		"bom-ref": purl,
		name,
		version,
		purl,
		properties: [{ name: "debian:source", value: source }],
	};
});
const node = {
	type: "platform",
	"bom-ref": "node",
	name: "node",
	version: process.versions.node,
	purl: `pkg:generic/node@${process.versions.node}`,
};
const bill = {
	bomFormat: "CycloneDX",
	specVersion: "1.6",
	version: 1,
	components: [node, ...components],
};
console.log(JSON.stringify(bill, undefined, "\t"));
