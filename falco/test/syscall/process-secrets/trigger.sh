# Reads its own environment from /proc, and tries to read that of the sidecar, which is refused.
cat /proc/self/environ >/dev/null
cat "/proc/$SIDECAR_PID/environ" 2>/dev/null && exit 1
exit 0
