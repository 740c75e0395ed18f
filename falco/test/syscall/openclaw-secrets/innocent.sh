# OpenClaw's Node reads them; tools read the workspace, also a project's files of the same names.
node -e '
	const { readFileSync } = require("node:fs");
	for (const path of ["openclaw.json", "credentials/telegram/token.json", ".env", "state/openclaw.sqlite"]) readFileSync(`/home/openclaw/.openclaw/${path}`);
'
cd /home/openclaw/.openclaw/workspace
echo PORT=1 >.env
cat .env MEMORY.md >/dev/null
