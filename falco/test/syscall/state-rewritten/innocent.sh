# OpenClaw's own process writes its databases and its configuration; tools write the workspace.
node /opt/openclaw/node_modules/openclaw/openclaw.mjs '
	const { DatabaseSync } = require("node:sqlite");
	const { renameSync, writeFileSync } = require("node:fs");
	const database = new DatabaseSync("/home/openclaw/.openclaw/agents/main/agent/other.sqlite");
	database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	database.close();
	renameSync("/home/openclaw/.openclaw/agents/main/agent/other.sqlite", "/home/openclaw/.openclaw/agents/main/agent/openclaw-agent.sqlite");
	const again = new DatabaseSync("/home/openclaw/.openclaw/agents/main/agent/openclaw-agent.sqlite");
	again.exec("INSERT INTO t VALUES (2)");
	again.close();
	writeFileSync("/home/openclaw/.openclaw/openclaw.json.tmp", "{}");
	renameSync("/home/openclaw/.openclaw/openclaw.json.tmp", "/home/openclaw/.openclaw/openclaw.json");
' 2>/dev/null
echo more >>/home/openclaw/.openclaw/workspace/MEMORY.md
echo {} >/home/openclaw/.openclaw/workspace/openclaw.json
