# fcntl(F_DUPFD), and a connection that takes the number of a closed standard input: by connect() and by accept().
perl /srv/test/syscall.pl duplicate
perl /srv/test/syscall.pl connect
perl /srv/test/syscall.pl accept
