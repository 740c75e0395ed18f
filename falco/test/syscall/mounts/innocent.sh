# Looks at what is mounted, and how full it is.
cat /proc/self/mounts >/dev/null
df /home >/dev/null
node -e 'require("node:fs").statfsSync("/home")'
