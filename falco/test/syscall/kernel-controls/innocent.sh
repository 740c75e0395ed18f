# Reads limits from /proc/sys and /sys, as libuv and many tools do.
cat /proc/sys/kernel/ostype /proc/sys/vm/overcommit_memory >/dev/null
ls /sys/kernel >/dev/null
node -e 'process.constrainedMemory(); require("node:os").networkInterfaces()'
