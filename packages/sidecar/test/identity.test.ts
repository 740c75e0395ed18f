/**
 * A machine's memory may be copied, and every machine of a platform may have the same host name,
 * process ids and boot id. So nothing that distinguishes writers may derive from those, or from a
 * generator whose state a copy shares. Every use of them is listed here, with the reason why a
 * repetition is harmless.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SOURCES = fileURLToPath(new URL("../src", import.meta.url));

const SHARED_BY_COPIES =
	/\b(hostname|randomUUID|getRandomValues|Math\.random|randomInt|randomBytes|process\.(?:pid|ppid)|networkInterfaces|userInfo|boot_id|hrtime)\b/;

/** The allowed uses by file, with reasons. */
const HARMLESS: Readonly<Record<string, readonly [RegExp, string]>> = {
	"commit/environment.ts": [
		/^(randomBytes|hostname)$/,
		"the one place that reads the kernel's generator, at each call; who asks the environment is not looked at. The host name is shown to people and compared with nothing",
	],
	"disk/base-marker.ts": [
		/^boot_id$/,
		"tells whether this machine went down; what is in a copy's memory is on its disk too",
	],
	"workspace/sqlite.ts": [
		/^randomBytes$/,
		"a private file's name, opened exclusively, on this machine's own disk",
	],
	"workspace/sqlite-file.ts": [
		/^process\.pid$/,
		"tells a string of this process from those of others on this disk",
	],
	"store/directory.ts": [
		/^(randomUUID|process\.pid)$/,
		"a private file's name, opened exclusively",
	],
	"store/s3.ts": [/^Math\.random$/, "the jitter of a retry"],
	"store/s3-wire.ts": [/^hostname$/, "the store's, in a URL"],
	"daemon/control.ts": [
		/^process\.pid$/,
		"a socket's name while it is moved, on this machine's own disk",
	],
	"store/s3-identity.ts": [/^hostname$/, "the store's, in a URL"],
	"agentcore/answer-text.ts": [
		/^randomUUID$/,
		"the id in one answer to one caller; nothing compares it with those of another machine",
	],
	"openclaw/gateway-client.ts": [
		/^randomUUID$/,
		"names a call within one connection to this machine's own gateway",
	],
	"agentcore/issuer-keys.ts": [/^hostname$/, "the issuer's, in a URL"],
	"model/upstream.ts": [/^hostname$/, "the provider's, in a URL"],
	"model/credential.ts": [/^hostname$/, "the provider's, in a URL"],
	"daemon/agent.ts": [
		/^process\.pid$/,
		"whose children are the agent's, asked of this machine's own kernel",
	],
	"daemon/orphans.ts": [
		/^process\.pid$/,
		"whose children are looked at, asked of this machine's own kernel",
	],
	"cli/run.ts": [/^process\.pid$/, "shown to people"],
	"daemon/daemon.ts": [/^process\.pid$/, "shown to people"],
	"transfer/staging-directory.ts": [
		/^process\.pid$/,
		"a private directory's name, made anew, on this machine's own disk",
	],
	"library/control.ts": [/^process\.pid$/, "shown to people"],
	"daemon/agent-mark.ts": [
		/^process\.pid$/,
		"with its start time, boot and namespace: names this process to this machine's own kernel",
	],
	"daemon/death-watch.ts": [/^process\.pid$/, "whether this is the first process of its namespace"],
	"daemon/survivors.ts": [
		/^process\.pid$/,
		"so that this process is no survivor, asked of this machine's own kernel",
	],
	"store/s3-settings.ts": [/^hostname$/, "the store's, in a URL"],
	"store/s3-endpoint.ts": [/^hostname$/, "the store's, in a URL"],
	"library/service.ts": [/^userInfo$/, "whether this user's services outlive the login"],
	"library/init/text-file.ts": [
		/^process\.pid$/,
		"a file's name until it is renamed, on this machine's own disk",
	],
	"workspace/open-files.ts": [/^process\.pid$/, "so that this process does not find itself"],
	"library/read-database.ts": [/^process\.pid$/, "this process, which ends itself"],
	"workspace/materialize.ts": [
		/^process\.pid$/,
		"a staging directory's name, made exclusively, on this machine's own disk",
	],
	"workspace/replace-ignore-file.ts": [
		/^process\.pid$/,
		"a file's name until it is renamed, made exclusively, on this machine's own disk",
	],
	"workspace/file-set.ts": [
		/^randomBytes$/,
		"a private file's name, opened exclusively, on this machine's own disk",
	],
};

const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter(
	(name) => name.endsWith(".ts") && !name.includes("test"),
);

// @id identity-not-copied
test("nothing distinguishes writers by values that copies of a machine share", () => {
	const found: string[] = [];
	for (const name of files) {
		for (const line of readFileSync(join(SOURCES, name), "utf8").split("\n")) {
			if (/^\s*(\/?\*|\/\/)/.test(line)) continue;
			const [, word] =
				SHARED_BY_COPIES.exec(
					line.replace(/nvironment\.randomBytes|\b(url|endpoint)\.hostname/g, ""),
				) ?? [];
			if (word !== undefined && HARMLESS[name]?.[0].test(word) !== true)
				found.push(`${name}: ${line.trim()}`);
		}
	}
	expect(found).toEqual([]);
	expect(files.length).toBeGreaterThan(100);
});
