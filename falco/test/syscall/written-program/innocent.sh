# Runs a script of the workspace, a program of the system, and one that belongs to a plugin of
# OpenClaw.
cd /home/openclaw/.openclaw/workspace
printf '#!/bin/sh\ntrue\n' >script.sh && chmod +x script.sh && ./script.sh
/bin/true
cp /bin/true /home/openclaw/.openclaw/npm/helper && /home/openclaw/.openclaw/npm/helper
node -e 0
