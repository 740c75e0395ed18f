# The newer way to mount.
perl /srv/test/syscall.pl new-mount
