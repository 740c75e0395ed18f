# Relays a shell through pipes, as a reverse shell does whose connection another program holds: Node
# with its own pipes, an interactive shell, and `cat` of a named pipe.
node -e '
	const { spawnSync } = require("node:child_process");
	spawnSync("sh", [], { input: "true\n" });
	spawnSync("bash", ["-i"], { input: "exit\n" });
'
mkfifo /tmp/relay
(echo true >/tmp/relay) &
cat /tmp/relay | sh -s
wait
