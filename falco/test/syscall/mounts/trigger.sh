# Tries to mount something over OpenClaw's state directory, and to unmount it. Both are refused.
perl /srv/test/syscall.pl mount
