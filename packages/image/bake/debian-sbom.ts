/**
 * Prints the Debian packages of this system as CycloneDX, because the bills of npm and pnpm do not
 * list them. A scanner finds their vulnerabilities by the release and by the source package, so both
 * are in their URLs. https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";

const { ID = "debian", VERSION_ID = "" } = parseEnv(readFileSync("/etc/os-release", "utf8"));

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
	const qualifiers = `arch=${architecture}&distro=${ID}-${VERSION_ID}&upstream=${encodeURIComponent(source)}`;
	const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?${qualifiers}`;
	return {
		type: "library",
		"bom-ref": purl,
		name,
		version,
		purl,
		properties: [{ name: "debian:source", value: source }],
	};
});
const system = {
	type: "operating-system",
	"bom-ref": "system",
	name: ID,
	version: VERSION_ID,
};
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
	components: [system, node, ...components],
};
console.log(JSON.stringify(bill, undefined, "\t"));
