# Links within a project, as package managers make them; a rename of OpenClaw's own process below credentials.
cd /home/openclaw/.openclaw/workspace
mkdir -p project/node_modules/.bin lib
echo x >lib/index.js
ln -s ../../../lib/index.js project/node_modules/.bin/lib
ln -s lib current
ln lib/index.js project/copy.js
ln -s /usr/bin/env env
mv project renamed
node /opt/openclaw/node_modules/openclaw/openclaw.mjs '
	const { renameSync, writeFileSync } = require("node:fs");
	const file = "/home/openclaw/.openclaw/credentials/telegram/token.json";
	writeFileSync(`${file}.tmp`, "x");
	renameSync(`${file}.tmp`, file);
'
