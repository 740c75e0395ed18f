# A child that lets its parent trace it, and an ordinary one.
perl /srv/test/syscall.pl traceme
node -e 'require("node:child_process").execFileSync("true")'
