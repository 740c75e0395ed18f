# Shells with a command, with a script, and at the beginning of a pipe; Node runs commands.
sh -c 'cat >/dev/null' </dev/null
echo x | sh -c 'cat >/dev/null'
printf 'true\n' >/tmp/script.sh
sh /tmp/script.sh | cat
sh </dev/null
node -e 'require("node:child_process").execSync("true"); require("node:child_process").spawnSync("bash", ["-c", "true"])'
