# Connects to a port of the loopback interface. OpenClaw's own process asks for the credentials of
# the machine's role, as Amazon Bedrock needs it.
node -e '
	const { connect, createServer } = require("node:net");
	const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1", () => {
		connect(server.address().port, "127.0.0.1").on("close", () => server.close()).resume();
	});
'
node /opt/openclaw/node_modules/openclaw/openclaw.mjs '
	const socket = require("node:net").connect(80, "169.254.169.254");
	socket.on("error", () => {}).on("close", () => process.exit(0)).setTimeout(2000, () => socket.destroy());
'
