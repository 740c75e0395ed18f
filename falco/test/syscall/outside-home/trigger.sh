# Leaves a file, a renamed one and a link in a directory that every user may write to.
echo x >/srv/public/note
ln -s /etc/passwd /srv/public/link
echo x >/home/openclaw/here
node -e 'require("node:fs").renameSync("/srv/public/note", "/srv/public/run-me")'
