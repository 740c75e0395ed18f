# PTRACE_SEIZE, a write to the sidecar's memory, and one of its descriptors. The last two are refused.
perl /srv/test/syscall.pl seize
perl /srv/test/syscall.pl write-memory
perl /srv/test/syscall.pl take-descriptor
