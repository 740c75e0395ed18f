# Shares memory through /dev/shm, runs a program of the system.
echo x >/dev/shm/openclaw-falco-$$ && rm /dev/shm/openclaw-falco-$$
/bin/true
