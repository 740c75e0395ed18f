# Runs a program out of an anonymous file, and one out of /dev/shm.
perl /srv/test/syscall.pl from-memory
cp /bin/true /dev/shm/openclaw-falco-$$ && { /dev/shm/openclaw-falco-$$; rm /dev/shm/openclaw-falco-$$; }
