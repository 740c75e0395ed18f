# OpenClaw's own process reads its secrets; tools read the workspace, including a project's files with the
# same names.
node /opt/openclaw/node_modules/openclaw/openclaw.mjs '
	const { readFileSync } = require("node:fs");
	for (const path of ["openclaw.json", "credentials/telegram/token.json", ".env", "state/openclaw.sqlite"]) readFileSync(`/home/openclaw/.openclaw/${path}`);
'
# It changes its title and reads in threads that start afterwards.
node /opt/openclaw/node_modules/openclaw/openclaw.mjs '
	process.title = "openclaw-gateway";
	require("node:fs").promises.readFile("/home/openclaw/.openclaw/openclaw.json");
'
node --disable-warning=ExperimentalWarning /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").readFileSync("/home/openclaw/.openclaw/openclaw.json")'
cd /home/openclaw/.openclaw/workspace
echo PORT=1 >.env
echo {} >openclaw.json
cat .env openclaw.json MEMORY.md >/dev/null
ls -R /home/openclaw/.openclaw/credentials >/dev/null
node -e 'require("node:fs").readFileSync(".env")'
