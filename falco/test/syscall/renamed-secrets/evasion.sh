# Relative targets, a parent directory, /proc, a secret that is renamed before it is read, and a path
# that is too long for Falco.
cd /home/openclaw/.openclaw/workspace
ln -s ../openclaw.json a
ln -s .. b
ln -s /home/openclaw/.openclaw/ c
ln -s /proc/self/environ d
node -e '
	const { linkSync, symlinkSync } = require("node:fs");
	symlinkSync("../credentials", "e");
	linkSync("../agents/main/agent/openclaw-agent.sqlite", "f");
'
mv ../secrets.json notes.json
mv ../credentials/telegram/token.json token
perl -e 'open my $file, "<", "/" . "./" x 600 . "home/openclaw/.openclaw/.env" or die'
