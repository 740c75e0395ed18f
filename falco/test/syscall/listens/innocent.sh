# Listens on loopback, as the gateway does, and on a local socket.
node -e '
	const { createServer } = require("node:net");
	const four = createServer().listen(0, "127.0.0.1", () => four.close());
	const six = createServer().on("error", () => {}).listen(0, "::1", () => six.close());
	const local = createServer().listen(`/tmp/openclaw-falco-${process.pid}.sock`, () => local.close());
'
