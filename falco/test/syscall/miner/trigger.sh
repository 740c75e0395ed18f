# Starts a program with a mining pool in its arguments. The program does nothing.
/bin/sh -c true miner --url stratum+tcp://127.0.0.1:1
