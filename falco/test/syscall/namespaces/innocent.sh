# Starts threads and processes, which use the same system calls.
node -e '
	const { Worker } = require("node:worker_threads");
	require("node:child_process").execFileSync("true");
	new Worker("", { eval: true });
'
(true) | cat
