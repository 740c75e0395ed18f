# A dropped program without the right to run, the loader through its other path, and an option before the program.
cp /bin/true /home/openclaw/dropped
chmod 600 /home/openclaw/dropped
for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* /lib/ld-musl-*.so.*; do
	if [ -x "$loader" ]; then
		"$loader" /home/openclaw/dropped
		"$(readlink -f "$loader")" /home/openclaw/dropped
		exec "$loader" --argv0 ls /home/openclaw/dropped
	fi
done
exit 1
