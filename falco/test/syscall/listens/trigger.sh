# Listens on every address, of IPv4 and of IPv6, for a moment.
node -e '
	const { createServer } = require("node:net");
	const four = createServer().listen(0, "0.0.0.0", () => four.close(() => {
		const six = createServer().on("error", () => {}).listen(0, "::", () => six.close());
	}));
'
