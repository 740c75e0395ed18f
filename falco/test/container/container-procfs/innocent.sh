# What flooded the older rule: a list of / and a Node that inspects its machine.
ls / >/dev/null
node -e 'const os = require("node:os"); os.cpus(); os.totalmem(); os.loadavg()'
