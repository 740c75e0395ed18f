# Listens without binding first, so that the kernel chooses address and port; and in the notation of IPv6.
perl -MSocket -e 'socket my $socket, PF_INET, SOCK_STREAM, 0 or die; listen $socket, 1 or die'
node -e 'const server = require("node:net").createServer().on("error", () => {}).listen(0, "::ffff:0.0.0.0", () => server.close())'
