# OpenClaw's Node reads its secrets; tools read the workspace, including a project's files with the
# same names.
node -e '
	const { readFileSync } = require("node:fs");
	for (const path of ["openclaw.json", "credentials/telegram/token.json", ".env", "state/openclaw.sqlite"]) readFileSync(`/home/openclaw/.openclaw/${path}`);
'
cd /home/openclaw/.openclaw/workspace
echo PORT=1 >.env
cat .env MEMORY.md >/dev/null
