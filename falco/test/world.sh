#!/bin/sh
# A small machine with the paths and users that the rules know, and one script in it: `world.sh NODE
# TEST AS NETWORK SCRIPT`.
# Run it as root in its own mount namespace (falco/test/run does that), so that its mounts are
# private and end with it.
#   NODE     the executable that becomes /usr/local/bin/node
#   TEST     this directory, which becomes /srv/test
#   AS       agent or root: the user of the script
#   NETWORK  shared, or own: a network namespace without a way out, in which 169.254.169.254 and 169.254.170.2 are this machine itself
#   SCRIPT   below /srv/test
# The script gets SIDECAR_PID, the id of a root process, because the sidecar is one.
set -eu
node=$1 test=$2 as=$3 network=$4 script=$5

# Bind the paths above first, because they may be below a directory that is hidden next.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/test
: >/mnt/node
mount --bind "$test" /mnt/test
mount --bind "$node" /mnt/node
for place in /home /srv /opt /usr/local/bin /usr/local/lib /root /var/tmp /var/lib /tmp; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 1777 /var/tmp /tmp
chmod 700 /root

mkdir /srv/test /srv/public
mount --bind /mnt/test /srv/test
mount -o remount,bind,ro /srv/test
chmod 1777 /srv/public
: >/usr/local/bin/node
mount --bind /mnt/node /usr/local/bin/node

state=/home/openclaw/.openclaw
mkdir -p "$state/agents/main/agent" "$state/state" "$state/credentials/telegram" "$state/workspace/memory" "$state/npm" /home/openclaw/.aws
printf '{"gateway":{"auth":{"token":"not-a-secret"}}}\n' >"$state/openclaw.json"
printf 'not-a-secret\n' | tee "$state/credentials/telegram/token.json" "$state/.env" "$state/secrets.json" >"/home/openclaw/.aws/credentials"
printf 'SQLite format 3\n' | tee "$state/state/openclaw.sqlite" >"$state/agents/main/agent/openclaw-agent.sqlite"
printf '# Agent\n' | tee "$state/workspace/AGENTS.md" "$state/workspace/SOUL.md" >"$state/workspace/MEMORY.md"
chmod -R go= "$state"
chown -R 10001:10001 /home/openclaw

mkdir -m 755 /home/bob
printf 'private\n' >/home/bob/notes
printf 'private\n' >/root/notes

# OpenClaw's code: runs its argument, so that a script can act as OpenClaw's own process. npm's code
# does the same.
for code in /opt/openclaw/node_modules/openclaw/openclaw.mjs /usr/local/lib/node_modules/npm/bin/npm-cli.mjs; do
	mkdir -p "${code%/*}"
	printf 'import { createRequire } from "node:module";\nglobalThis.require = createRequire(import.meta.url);\n(0, eval)(process.argv[2]);\n' >"$code"
done

mkdir -p /opt/openclaw-sidecar
mkdir -m 700 /var/lib/openclaw-sidecar
printf 'process.exit(0);\n' >/opt/openclaw-sidecar/openclaw-sidecar.mjs
printf 'not-a-secret\n' >/var/lib/openclaw-sidecar/key

if [ "$network" = own ]; then
	# Without `ip`, these addresses do not exist here and connecting fails at once. The attempt was
	# made all the same.
	if command -v ip >/dev/null; then
		ip link set lo up
		ip address add 169.254.169.254/32 dev lo
		ip address add 169.254.170.2/32 dev lo
	fi
fi

HOME=/home/openclaw PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export HOME PATH
sleep 120 &
SIDECAR_PID=$!
export SIDECAR_PID
trap 'kill $SIDECAR_PID' EXIT
cd /home/openclaw
case $as in
agent) setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs env OPENCLAW_FALCO_CASE=1 sh "/srv/test/$script" ;;
root) env OPENCLAW_FALCO_CASE=1 sh "/srv/test/$script" ;;
esac
