# The agent's own Node writes a database without truncating it, another file is renamed over the
# configuration, and creat() truncates a database.
cd /home/openclaw/.openclaw
node -e 'require("node:fs").writeFileSync("state/openclaw.sqlite", "encrypted", { flag: "a" })'
echo {} >/tmp/new.json
cp /tmp/new.json new.json && mv new.json openclaw.json
perl /srv/test/syscall.pl create agents/main/agent/openclaw-agent.sqlite
