# The agent's own interpreter does it.
node -e '
	const { renameSync, rmSync } = require("node:fs");
	rmSync("/home/openclaw/.openclaw/workspace", { recursive: true });
	renameSync("/home/openclaw/.openclaw/state", "/home/openclaw/gone");
'
