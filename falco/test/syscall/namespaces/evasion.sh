# Enters a namespace, and is refused.
perl /srv/test/syscall.pl enter-namespace
