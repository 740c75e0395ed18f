# Node makes an HTTP request and gives a child pipes; a shell reads a pipe.
node -e '
	const { execFileSync } = require("node:child_process");
	const server = require("node:http").createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1", async () => {
		await (await fetch(`http://127.0.0.1:${server.address().port}`)).text();
		execFileSync("cat", { input: "x" });
		server.close();
		server.closeAllConnections();
	});
'
echo x | cat >/dev/null
