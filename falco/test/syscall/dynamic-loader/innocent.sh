# Asks which libraries a program and a library need, and runs programs as usual.
if command -v ldd >/dev/null; then ldd /bin/true >/dev/null; fi
for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do
	if [ -x "$loader" ]; then "$loader" --version >/dev/null; "$loader" --list /bin/true >/dev/null; fi
done
/bin/true
