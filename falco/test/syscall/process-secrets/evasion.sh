# Memory opened for writing, and files reached through the working directory and the descriptors of a process.
perl -e 'open my $memory, "+<", "/proc/$$/mem"'
perl -e 'open my $memory, "+<", "/proc/$ENV{SIDECAR_PID}/mem" and exit 1'
cd /home/openclaw/.openclaw/workspace
cat "/proc/$$/cwd/MEMORY.md" >/dev/null
exec 3<MEMORY.md 4</home/openclaw/.openclaw
cat "/proc/$$/fd/3" >/dev/null
cat /proc/self/fd/4/.env >/dev/null
