# Lists the loaded modules.
cat /proc/modules >/dev/null 2>&1
exit 0
