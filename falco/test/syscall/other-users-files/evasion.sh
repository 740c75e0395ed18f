# The agent's own interpreter reads it, and OpenClaw's own process does, as its read tool would.
node -e 'require("node:fs").readFileSync("/home/bob/notes")'
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").readFileSync("/home/bob/notes")'
perl -e 'open my $f, "+<", "/home/bob/notes" and exit 1'
