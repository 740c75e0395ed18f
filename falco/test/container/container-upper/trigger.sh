# Runs a program that was put into the upper layer of an overlay file system, like that of a
# container. The setup does not count as the container's action.
unset OPENCLAW_FALCO_CASE
mkdir -p /srv/lower /srv/layers && mount -t tmpfs tmpfs /srv/layers && mkdir /srv/layers/upper /srv/layers/work /srv/layers/merged
mount -t overlay overlay -o lowerdir=/srv/lower,upperdir=/srv/layers/upper,workdir=/srv/layers/work /srv/layers/merged || exit 1
cp /bin/true /srv/layers/merged/dropped
exec setpriv --reuid 10001 --regid 10001 --clear-groups env OPENCLAW_FALCO_CASE=1 /srv/layers/merged/dropped
