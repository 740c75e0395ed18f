# The same with a program in the lower layer, which is the image's.
unset OPENCLAW_FALCO_CASE
mkdir -p /srv/lower /srv/layers && mount -t tmpfs tmpfs /srv/layers && mkdir /srv/layers/upper /srv/layers/work /srv/layers/merged
cp /bin/true /srv/lower/there
mount -t overlay overlay -o lowerdir=/srv/lower,upperdir=/srv/layers/upper,workdir=/srv/layers/work /srv/layers/merged || exit 1
exec setpriv --reuid 10001 --regid 10001 --clear-groups env OPENCLAW_FALCO_CASE=1 /srv/layers/merged/there
