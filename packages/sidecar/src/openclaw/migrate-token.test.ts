import {
	chmodSync,
	chownSync,
	linkSync,
	lstatSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { variable, variableRef } from "./config.ts";
import { gatewaySecret } from "./gateway-token.ts";
import { migrateToken } from "./migrate-token.ts";

const TOKEN = "OPENCLAW_GATEWAY_TOKEN";
/** As earlier versions of the sidecar wrote it. */
const WRITTEN = `{
  "gateway": {
    "mode": "local",
    "auth": {
      "mode": "token",
      "token": "${variable(TOKEN)}"
    }
  }
}
`;

let workspace: string;
let path: string;
beforeEach(() => {
	workspace = mkdtempSync(join(tmpdir(), "openclaw-migrate-"));
	path = join(workspace, "openclaw.json");
});
afterEach(() => rmSync(workspace, { recursive: true, force: true }));

function migrated(text: string | Buffer): string | undefined {
	writeFileSync(path, text);
	const before = readFileSync(path);
	const isMigrated = migrateToken(workspace, {});
	expect(readdirSync(workspace)).toEqual(["openclaw.json"]);
	if (isMigrated) return readFileSync(path, "latin1");
	expect(readFileSync(path).equals(before)).toBe(true);
	return undefined;
}

describe("the token that earlier versions wrote", () => {
	test("becomes a reference to the same variable, which the gateway's secret follows, once", () => {
		const text = migrated(WRITTEN);
		expect(JSON.parse(text ?? "").gateway).toEqual({
			mode: "local",
			auth: { mode: "token", token: variableRef(TOKEN) },
		});
		expect(gatewaySecret(text, { [TOKEN]: "of this boot" })).toBe("of this boot");
		expect(migrateToken(workspace, {})).toBe(false);
	});

	test("is replaced alone: comments, order, spaces and bytes that are not UTF-8 stay", () => {
		const text = Buffer.from(
			`// mine \xff\r\n{ plugins: {'a': 1,}, gateway: { auth: { /* ours */ "token": "${variable(TOKEN)}",\t} } } // end`,
			"latin1",
		);
		const reference = JSON.stringify(variableRef(TOKEN));
		expect(migrated(text)).toBe(
			text.toString("latin1").replace(`"${variable(TOKEN)}"`, () => reference),
		);
	});

	test("keeps the file's mode and owner", () => {
		writeFileSync(path, WRITTEN);
		if (process.getuid?.() === 0) chownSync(path, 12_345, 23_456);
		chmodSync(path, 0o640);
		const { uid, gid, mode } = lstatSync(path);
		expect(migrateToken(workspace, {})).toBe(true);
		expect(lstatSync(path)).toMatchObject({ uid, gid, mode });
	});

	test("is replaced even if an earlier try was interrupted, and a link in its place is not followed", () => {
		const canary = join(workspace, "canary");
		writeFileSync(canary, "mine");
		symlinkSync(canary, `${path}.migrating`);
		writeFileSync(path, WRITTEN);
		expect(migrateToken(workspace, {})).toBe(true);
		expect(readFileSync(canary, "utf8")).toBe("mine");
		expect(readdirSync(workspace)).toEqual(["canary", "openclaw.json"]);
	});
});

describe("a file is left as it is", () => {
	test.each([
		["with a token of the user's own", WRITTEN.replace(variable(TOKEN), "onboarded")],
		[
			"with the same reference within a longer text",
			WRITTEN.replace(`"${variable(TOKEN)}`, `"a${variable(TOKEN)}`),
		],
		["with the text elsewhere", `{ "other": { "token": "${variable(TOKEN)}" } }`],
		[
			"with the text in a comment",
			`// "token": "${variable(TOKEN)}"\n{ gateway: { auth: { token: "x" } } }`,
		],
		// @id openclaw-file-kept
		[
			"with the text in a comment, and the token in another form",
			`// "token": "${variable(TOKEN)}"\n{ gateway: { auth: { token: '${variable(TOKEN)}' } } }`,
		],
		["with the text twice", `// "token": "${variable(TOKEN)}"\n${WRITTEN}`],
		["with the text overridden by a later member", WRITTEN.replace(`}"\n`, `}",\n"token": "x"\n`)],
		["that OpenClaw cannot read", WRITTEN.slice(0, -3)],
		["that is empty", ""],
	])("%s", (_, text) => {
		expect(migrated(text)).toBeUndefined();
	});

	test("that is missing, a link, has a second name, or is not the one that OpenClaw reads", () => {
		expect(migrateToken(workspace, {})).toBe(false);
		const other = join(workspace, "other.json");
		writeFileSync(other, WRITTEN);
		symlinkSync(other, path);
		expect(migrateToken(workspace, {})).toBe(false);
		rmSync(path);
		linkSync(other, path);
		expect(migrateToken(workspace, {})).toBe(false);
		rmSync(other);
		expect(migrateToken(workspace, { OPENCLAW_CONFIG_PATH: path })).toBe(false);
		expect(readFileSync(path, "utf8")).toBe(WRITTEN);
		expect(migrateToken(workspace, {})).toBe(true);
	});
});
