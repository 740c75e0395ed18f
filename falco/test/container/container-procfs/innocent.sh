# What made the older rule flood: a list of / and a Node that looks at its machine.
ls / >/dev/null
node -e 'const os = require("node:os"); os.cpus(); os.totalmem(); os.loadavg()'
