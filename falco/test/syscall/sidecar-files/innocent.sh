# Reads and runs the sidecar's code, which anybody may.
cat /opt/openclaw-sidecar/openclaw-sidecar.js >/dev/null
node /opt/openclaw-sidecar/openclaw-sidecar.js
