# Tries to switch off address randomisation and to read the kernel's memory. Both are refused: it is no root.
(echo 0 >/proc/sys/kernel/randomize_va_space) 2>/dev/null && exit 1
cat /proc/kmsg 2>/dev/null && exit 1
exit 0
