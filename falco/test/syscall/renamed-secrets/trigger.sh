# Makes a link to OpenClaw's directory and a hard link to its configuration, and reads through the first.
ln -s /home/openclaw/.openclaw /tmp/o
cat /tmp/o/.env >/dev/null
ln /home/openclaw/.openclaw/openclaw.json /home/openclaw/.openclaw/workspace/notes.json
