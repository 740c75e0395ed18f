# Relays a shell through pipes, as a reverse shell does whose connection another program holds: Node
# with its own pipes, a named pipe, and an interactive shell.
node -e '
	const { spawnSync } = require("node:child_process");
	spawnSync("sh", [], { input: "true\n" });
	spawnSync("bash", ["-i"], { input: "exit\n" });
'
mkfifo /tmp/relay
(echo true >/tmp/relay) &
sh -s </tmp/relay
wait
