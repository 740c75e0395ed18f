# Connects to a port of the loopback interface.
node -e '
	const { connect, createServer } = require("node:net");
	const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1", () => {
		connect(server.address().port, "127.0.0.1").on("close", () => server.close()).resume();
	});
'
