# Opens for reading and writing, and the agent's own Node: code as an argument, as a file, as
# standard input, under the name that OpenClaw gives its process, by a path that begins like OpenClaw's,
# in NODE_OPTIONS, and with OpenClaw's title, in a thread of its own.
cd /home/openclaw/.openclaw
cat <>.env >/dev/null
cat <>secrets.json >/dev/null
perl -e 'open my $file, "+<", "credentials/telegram/token.json" or die'
node -e 'require("node:fs").readFileSync("openclaw.json")'
echo 'require("node:fs").readFileSync("openclaw.json")' >/tmp/read.js
node /tmp/read.js
node </tmp/read.js
bash -c 'exec -a openclaw-gateway node /tmp/read.js'
bash -c 'exec -a openclaw-gateway node </tmp/read.js'
node /opt/openclaw/node_modules/openclaw/../../../../tmp/read.js
node --disable-warning=ExperimentalWarning /tmp/read.js
NODE_OPTIONS=--require=/tmp/read.js node /opt/openclaw/node_modules/openclaw/openclaw.mjs 0
node -e 'process.title = "openclaw-gateway"; require("node:fs").promises.readFile("openclaw.json")' </dev/null
