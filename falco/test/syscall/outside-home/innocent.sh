# Writes to its home, its workspace, temporary places and devices.
cd /home/openclaw/.openclaw/workspace
echo x >project.txt && mv project.txt project.md && ln -s project.md link
git init -q . 2>/dev/null
echo x >/var/tmp/openclaw-falco-$$ && rm /var/tmp/openclaw-falco-$$
node -e '
	const { mkdtempSync, rmSync, writeFileSync } = require("node:fs");
	const dir = mkdtempSync("/tmp/openclaw-falco-");
	writeFileSync(`${dir}/x`, "x");
	rmSync(dir, { recursive: true });
	writeFileSync("/dev/null", "x");
'
exit 0
