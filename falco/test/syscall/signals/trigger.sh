# Tries to end the sidecar.
kill -TERM "$SIDECAR_PID" 2>/dev/null && exit 1
kill -KILL "$SIDECAR_PID" 2>/dev/null && exit 1
exit 0
