# Tries to load a kernel module that is none, and to remove one that is not there. Both are refused.
perl /srv/test/syscall.pl load-module
perl /srv/test/syscall.pl remove-module
