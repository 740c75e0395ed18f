# Pipes a script into a shell, as `curl | sh` does.
echo true | sh
