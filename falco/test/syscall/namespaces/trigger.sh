# Tries to make new namespaces.
unshare --mount true 2>/dev/null
unshare --user true 2>/dev/null
exit 0
