# Tries to load an invalid kernel module, and to remove one that does not exist. Both are denied.
perl /srv/test/syscall.pl load-module
perl /srv/test/syscall.pl remove-module
