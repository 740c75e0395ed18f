# Node sets up a ring at each start; asynchronous file operations of Node and its workers.
node -e '
	require("node:fs").promises.readFile("/etc/hostname").catch(() => {});
	new (require("node:worker_threads").Worker)("", { eval: true });
'
UV_USE_IO_URING=1 node -e 'require("node:fs").promises.readFile("/etc/hostname").catch(() => {})'
