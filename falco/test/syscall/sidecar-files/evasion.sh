# OpenClaw's own process and the agent's own interpreter try, and an open for reading and writing. All are refused.
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").readFile("/var/lib/openclaw-sidecar/key", () => {})'
node -e 'require("node:fs").readFile("/var/lib/openclaw-sidecar/key", () => {})'
perl -e 'open my $code, "+<", "/opt/openclaw-sidecar/openclaw-sidecar.mjs" and exit 1'
exit 0
