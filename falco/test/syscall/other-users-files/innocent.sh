# Lists the homes, searches the machine by name, and reads its own files.
ls -l /home >/dev/null
ls /home/bob >/dev/null
ls /root >/dev/null 2>&1
find /home /root -name nothing 2>/dev/null
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").readFileSync("/home/openclaw/.openclaw/workspace/MEMORY.md")'
cat /home/openclaw/.openclaw/workspace/AGENTS.md >/dev/null
