# A ring that the kernel refuses is an attempt too.
perl /srv/test/syscall.pl io-uring-invalid
