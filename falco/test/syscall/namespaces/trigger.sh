# Tries to make namespaces of its own.
unshare --mount true 2>/dev/null
unshare --user true 2>/dev/null
exit 0
