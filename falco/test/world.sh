#!/bin/sh
# A small machine as the rules know it, and one script in it: `world.sh NODE TEST AS NETWORK SCRIPT`.
# Run as root in a mount namespace of its own (falco/test/run does that): what is mounted here is seen by nobody else and ends with it.
#   NODE     the executable that becomes /usr/local/bin/node
#   TEST     this directory, which becomes /srv/test
#   AS       agent or root: whose process the script is
#   NETWORK  shared, or own: a network namespace without a way out, in which 169.254.169.254 is this machine itself
#   SCRIPT   below /srv/test
# The script gets SIDECAR_PID, a process of the sidecar's user.
set -eu
node=$1 test=$2 as=$3 network=$4 script=$5

for place in /home /srv /opt /usr/local/bin /root /var/tmp; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 1777 /var/tmp
chmod 700 /root

mkdir /srv/test /srv/public
mount --bind "$test" /srv/test
mount -o remount,bind,ro /srv/test
chmod 1777 /srv/public
: >/usr/local/bin/node
mount --bind "$node" /usr/local/bin/node
# Last: what was named above may lie below it.
mount -t tmpfs -o mode=1777 tmpfs /tmp

state=/home/openclaw/.openclaw
mkdir -p "$state/agents/main/agent" "$state/state" "$state/credentials/telegram" "$state/workspace/memory" "$state/npm" /home/openclaw/.aws
printf '{"gateway":{"auth":{"token":"not-a-secret"}}}\n' >"$state/openclaw.json"
printf 'not-a-secret\n' | tee "$state/credentials/telegram/token.json" "$state/.env" >"/home/openclaw/.aws/credentials"
printf 'SQLite format 3\n' | tee "$state/state/openclaw.sqlite" >"$state/agents/main/agent/openclaw-agent.sqlite"
printf '# Agent\n' | tee "$state/workspace/AGENTS.md" "$state/workspace/SOUL.md" >"$state/workspace/MEMORY.md"
chmod -R go= "$state"
chown -R 2002:2002 /home/openclaw

mkdir -p /opt/openclaw-sidecar /root/.local/state/openclaw-sidecar
printf 'process.exit(0);\n' >/opt/openclaw-sidecar/openclaw-sidecar.js
printf 'not-a-secret\n' >/root/.local/state/openclaw-sidecar/key

if [ "$network" = own ]; then
	# Without `ip` there is no such address here, and connecting fails at once. It was tried all the same.
	if command -v ip >/dev/null; then
		ip link set lo up
		ip address add 169.254.169.254/32 dev lo
	fi
fi

HOME=/home/openclaw PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export HOME PATH
setpriv --reuid 2001 --regid 2001 --clear-groups sleep 120 &
SIDECAR_PID=$!
export SIDECAR_PID
trap 'kill $SIDECAR_PID' EXIT
cd /home/openclaw
case $as in
agent) setpriv --reuid 2002 --regid 2002 --clear-groups --no-new-privs env OPENCLAW_FALCO_CASE=1 sh "/srv/test/$script" ;;
root) env OPENCLAW_FALCO_CASE=1 sh "/srv/test/$script" ;;
esac
