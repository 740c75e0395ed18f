# Writes and searches a note about mining.
cd /home/openclaw/.openclaw/workspace
echo 'pools speak stratum' >coins.md
grep -q stratum coins.md
