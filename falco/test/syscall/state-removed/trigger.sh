# Deletes the workspace and moves the whole state directory away.
rm -rf /home/openclaw/.openclaw/workspace
mv /home/openclaw/.openclaw /home/openclaw/gone
