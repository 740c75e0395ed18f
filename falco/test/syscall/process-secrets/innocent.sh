# Reads the files of /proc that V8, libuv, the C library and people read at each start: maps,
# cpuinfo, meminfo, stat, status.
node -e 'const os = require("node:os"); os.cpus(); os.totalmem(); os.loadavg(); require("node:fs").readFileSync("/proc/self/status")'
cat /proc/self/maps "/proc/$SIDECAR_PID/stat" /proc/meminfo >/dev/null
# Its own descriptors, as `/dev/stdin` and bash's process substitution use them.
cat /dev/stdin /proc/self/fd/0 </dev/null
ls -l /proc/self/fd "/proc/$$/fd" >/dev/null
if command -v bash >/dev/null; then bash -c 'cat <(true)'; fi
# procps opens the environment of every process.
if command -v ps >/dev/null; then ps -ef >/dev/null; fi
if command -v pgrep >/dev/null; then pgrep -f nobody-is-called-this; fi
exit 0
