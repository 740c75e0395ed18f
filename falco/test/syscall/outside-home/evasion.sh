# creat(), which has an event of its own, an open for reading and writing, and a hard link.
perl /srv/test/syscall.pl create /srv/public/created
sh -c ': 1<>/srv/public/created'
ln /home/openclaw/.openclaw/workspace/MEMORY.md /srv/public/linked || cp /home/openclaw/.openclaw/workspace/MEMORY.md /srv/public/linked
