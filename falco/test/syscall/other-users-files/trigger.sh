# Reads another user's file, which that user lets everybody read, and tries one of root's.
cat /home/bob/notes >/dev/null
cat /root/notes 2>/dev/null && exit 1
exit 0
