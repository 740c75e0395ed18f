# Ends its own child, and checks whether a process of another user is alive, as OpenClaw does with
# the ids in its lock files.
sleep 60 &
kill -TERM $!
kill -0 "$SIDECAR_PID" 2>/dev/null
node -e 'try { process.kill(Number(process.env.SIDECAR_PID), 0) } catch {}'
