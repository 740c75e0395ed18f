# Reads and runs the sidecar's code, which every user may do.
cat /opt/openclaw-sidecar/openclaw-sidecar.mjs >/dev/null
node /opt/openclaw-sidecar/openclaw-sidecar.mjs
