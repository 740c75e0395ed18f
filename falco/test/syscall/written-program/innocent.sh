# Runs a script of the workspace, a program of the system, and one that OpenClaw installed with a plugin.
cd /home/openclaw/.openclaw/workspace
printf '#!/bin/sh\ntrue\n' >script.sh && chmod +x script.sh && ./script.sh
/bin/true
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").copyFileSync("/bin/true", "/home/openclaw/.openclaw/npm/helper")'
/home/openclaw/.openclaw/npm/helper
node -e 0
