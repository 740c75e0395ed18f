# Attaches to a process as a debugger does, and tries to read the sidecar's memory, which is refused.
perl /srv/test/syscall.pl attach
perl /srv/test/syscall.pl read-memory
