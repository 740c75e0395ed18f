# OpenClaw and its package manager install a plugin with a program, and the program runs.
node /opt/openclaw/node_modules/openclaw/openclaw.mjs '
	const { copyFileSync, mkdirSync, symlinkSync } = require("node:fs");
	mkdirSync("/home/openclaw/.openclaw/npm/p/.bin", { recursive: true });
	copyFileSync("/bin/true", "/home/openclaw/.openclaw/npm/p/native");
	symlinkSync("../native", "/home/openclaw/.openclaw/npm/p/.bin/native");
'
node /usr/local/lib/node_modules/npm/bin/npm-cli.mjs '
	const { copyFileSync, renameSync } = require("node:fs");
	copyFileSync("/bin/true", "/home/openclaw/.openclaw/npm/p/.tmp");
	renameSync("/home/openclaw/.openclaw/npm/p/.tmp", "/home/openclaw/.openclaw/npm/p/second");
'
/home/openclaw/.openclaw/npm/p/native
/home/openclaw/.openclaw/npm/p/second
ls -R /home/openclaw/.openclaw/npm >/dev/null
cp -r /home/openclaw/.openclaw/npm/p /home/openclaw/.openclaw/workspace/p
