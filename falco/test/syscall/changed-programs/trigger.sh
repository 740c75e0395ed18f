# Drops a program below npm/, where OpenClaw installs plugins, and runs it.
cp /bin/true /home/openclaw/.openclaw/npm/helper
/home/openclaw/.openclaw/npm/helper
