# Deletes a project of two hundred files in the workspace, and replaces a file by a new version.
cd /home/openclaw/.openclaw/workspace
mkdir project
for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do : >project/$i-$j; done; done
rm -rf project
cp AGENTS.md AGENTS.md.tmp && mv AGENTS.md.tmp AGENTS.md
sed -i s/Agent/agent/ SOUL.md
