# Reads and runs the sidecar's code, which anybody may.
cat /opt/openclaw-sidecar/openclaw-sidecar.mjs >/dev/null
node /opt/openclaw-sidecar/openclaw-sidecar.mjs
