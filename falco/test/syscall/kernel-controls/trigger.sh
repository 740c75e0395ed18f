# Tries to switch off address randomisation and to read the kernel's memory. Both are denied,
# because it is not root.
(echo 0 >/proc/sys/kernel/randomize_va_space) 2>/dev/null && exit 1
cat /proc/kmsg 2>/dev/null && exit 1
exit 0
