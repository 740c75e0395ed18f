# execveat() of a descriptor without a path, and a link to a program in /dev/shm.
perl /srv/test/syscall.pl from-memory-without-path
cp /bin/true /dev/shm/openclaw-falco-$$ && ln -s /dev/shm/openclaw-falco-$$ /home/openclaw/link && { /home/openclaw/link; rm /dev/shm/openclaw-falco-$$; }
