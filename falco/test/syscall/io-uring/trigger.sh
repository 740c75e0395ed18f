# Sets up a ring.
perl /srv/test/syscall.pl io-uring
