# Reads a process's environment, and tries to open a kernel control file for writing, which is refused.
cat "/proc/$$/environ" >/dev/null
(: >>/proc/sys/kernel/core_pattern) 2>/dev/null && exit 1
exit 0
