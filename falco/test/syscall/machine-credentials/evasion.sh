# Opens for reading and writing, the agent's own interpreter, and OpenClaw's own process.
perl -e 'open my $file, "+<", "/home/openclaw/.aws/credentials" or die'
node -e 'require("node:fs").readFileSync("/home/openclaw/.aws/credentials")'
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'require("node:fs").readFileSync("/home/openclaw/.aws/credentials")'
