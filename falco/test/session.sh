#!/bin/sh
# The machine of the normal session: `session.sh NODE REPOSITORY OPENCLAW CACHE HOME STORE COMMAND...`, as root in a mount namespace of its own.
# Paths and users are those of the image. HOME, CACHE and STORE are directories that become /home/openclaw, Node's compile cache in it and
# /srv/store; OPENCLAW is an installation of OpenClaw, or - where there is none.
set -eu
node=$1 repository=$2 openclaw=$3 cache=$4 home=$5 store=$6
shift 6
for place in /home /srv /opt /usr/local/bin /root; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
chmod 700 /root
mkdir /home/openclaw /srv/store /srv/demo /opt/openclaw-sidecar
mount --bind "$home" /home/openclaw
mount --bind "$cache" /home/openclaw/.cache/node
mount --bind "$store" /srv/store
mount --bind "$repository/demo" /srv/demo
mount --bind "$repository/packages/sidecar/dist" /opt/openclaw-sidecar
if [ "$openclaw" != - ]; then
	mkdir /opt/openclaw
	mount --bind "$openclaw" /opt/openclaw
fi
: >/usr/local/bin/node
mount --bind "$node" /usr/local/bin/node
# Last: what was named above may lie below it.
mount -t tmpfs -o mode=1777 tmpfs /tmp
cd /home/openclaw
exec "$@"
