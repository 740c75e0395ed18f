# Through a symbolic link, a descriptor, and the agent's own interpreter.
cp /bin/true /home/openclaw/dropped
ln -s dropped link && ./link
perl -e '$^F = 9; open my $program, "<", "dropped" or die; exec "/proc/self/fd/" . fileno $program'
node -e 'require("node:child_process").execFileSync("/home/openclaw/dropped")'
