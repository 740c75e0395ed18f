# OpenClaw's own process at another port and address, and the address in the notation of IPv6.
for place in 169.254.169.254/8080 169.254.170.2/80; do
	node /opt/openclaw/node_modules/openclaw/openclaw.mjs "
		const socket = require('node:net').connect(${place#*/}, '${place%/*}');
		socket.on('error', () => {}).on('close', () => process.exit(0)).setTimeout(2000, () => socket.destroy());
	"
done
node -e '
	const socket = require("node:net").connect(80, "::ffff:169.254.169.254");
	socket.on("error", () => {}).on("close", () => process.exit(0)).setTimeout(2000, () => socket.destroy());
'
