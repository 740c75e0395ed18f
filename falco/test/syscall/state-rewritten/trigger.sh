# Overwrites each file of the state directory, as an encryptor does: with a tool, and the database also in OpenClaw's own process.
cd /home/openclaw/.openclaw
for file in openclaw.json state/openclaw.sqlite workspace/MEMORY.md; do echo encrypted >"$file"; done
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").writeFileSync("/home/openclaw/.openclaw/agents/main/agent/openclaw-agent.sqlite", "encrypted")'
