# Gives a shell a network connection as its input and output. Both ends are on the loopback
# interface, and the shell is told to exit.
bash -c 'type -t coproc' >/dev/null || exit 1
node -e '
	const { spawn } = require("node:child_process");
	const server = require("node:net").createServer((socket) => socket.end("exit\n")).listen(0, "127.0.0.1", () => {
		const { port } = server.address();
		const bash = spawn("bash", ["-c", `exec 0<>/dev/tcp/127.0.0.1/${port} && exec sh`], { stdio: ["ignore", "ignore", "inherit"] });
		bash.on("exit", (code) => server.close(() => process.exit(code ?? 1)));
	});
'
