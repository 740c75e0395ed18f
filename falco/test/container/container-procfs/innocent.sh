# What flooded the older rule: a list of / and a Node that inspects its machine. And a list of processes.
ls / >/dev/null
node -e 'const os = require("node:os"); os.cpus(); os.totalmem(); os.loadavg()'
if command -v ps >/dev/null; then ps -ef >/dev/null; fi
