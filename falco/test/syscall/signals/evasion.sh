# The agent's own interpreter, OpenClaw's own process, and a signal without a name.
node -e 'try { process.kill(Number(process.env.SIDECAR_PID), "SIGTERM") } catch {}'
node /opt/openclaw/node_modules/openclaw/openclaw.mjs 'try { process.kill(Number(process.env.SIDECAR_PID), "SIGKILL") } catch {}'
perl -e 'kill 40, $ENV{SIDECAR_PID} and exit 1'
exit 0
