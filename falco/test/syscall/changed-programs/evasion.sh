# The agent's own interpreter drops it, a rename and a link put it there, and an installed file is
# opened for reading and writing.
cd /home/openclaw/.openclaw
node -e 'require("node:fs").copyFileSync("/bin/true", "/home/openclaw/.openclaw/npm/one")'
cp /bin/true workspace/two && mv workspace/two npm/two
cp /bin/true workspace/three && ln workspace/three npm/three
sh -c 'echo x 1<>npm/one'
