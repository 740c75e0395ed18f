#!/bin/sh
# The machine of the normal session: `session.sh NODE REPOSITORY OPENCLAW CACHE HOME STORE
# COMMAND...`, as root in its own mount namespace. Paths and users are those of the image. HOME,
# CACHE and STORE are directories that become /home/openclaw, its Node compile cache, and
# /srv/store. OPENCLAW is an installation of OpenClaw, or - without one.
set -eu
node=$1 repository=$2 openclaw=$3 cache=$4 home=$5 store=$6
shift 6
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

for place in /home /srv /opt /usr/local/bin /root /var/lib /tmp; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 700 /root
chmod 1777 /tmp
show() {
	mkdir -p "$2"
	mount --bind "/mnt/$1" "$2"
}
show home /home/openclaw
show cache /home/openclaw/.cache/node
show store /srv/store
show testkit /srv/testkit
show sidecar /opt/openclaw-sidecar
if [ "$openclaw" != - ]; then show openclaw /opt/openclaw; fi
: >/usr/local/bin/node
mount --bind /mnt/node /usr/local/bin/node
cd /home/openclaw
exec "$@"
