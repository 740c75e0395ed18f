#!/bin/sh
# The machine of the normal session: `session.sh NODE REPOSITORY OPENCLAW NPM CACHE HOME STORE
# COMMAND...`, as root in its own mount namespace. Paths and users are those of the image. HOME,
# CACHE and STORE are directories that become /home/openclaw, its Node compile cache, and
# /srv/store. OPENCLAW is an installation of OpenClaw, NPM the directory of npm's package, or - without. Without
# OpenClaw, the test kit with its fake is in OpenClaw's place.
set -eu
node=$1 repository=$2 openclaw=$3 npm=$4 cache=$5 home=$6 store=$7
shift 7
# Bind the paths above first, because they may be below a directory that is hidden next.
mount -t tmpfs tmpfs /mnt
: >/mnt/node
mount --bind "$node" /mnt/node
bind() {
	mkdir "/mnt/$1"
	mount --bind "$2" "/mnt/$1"
}
bind home "$home"
bind cache "$cache"
bind store "$store"
bind testkit "$repository/packages/testkit"
bind sidecar "$repository/packages/sidecar/dist"
if [ "$openclaw" != - ]; then bind openclaw "$openclaw"; fi
if [ "$npm" != - ]; then bind npm "$npm"; fi

for place in /home /srv /opt /usr/local/bin /usr/local/lib /root /var/lib /tmp; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 700 /root
chmod 1777 /tmp
show() {
	mkdir -p "$2"
	mount --bind "/mnt/$1" "$2"
}
show home /home/openclaw
show cache /home/openclaw/.cache/node
show store /srv/store
show sidecar /opt/openclaw-sidecar
if [ "$openclaw" != - ]; then show openclaw /opt/openclaw; else show testkit /opt/openclaw/node_modules/openclaw; fi
if [ "$npm" != - ]; then show npm /usr/local/lib/node_modules/npm; fi
: >/usr/local/bin/node
mount --bind /mnt/node /usr/local/bin/node
cd /home/openclaw
exec "$@"
