# Opens for reading and writing, and the agent's own interpreter. All are denied.
perl -e 'open my $control, "+<", "/proc/sys/kernel/randomize_va_space" and exit 1'
node -e 'require("node:fs").open("/proc/kmsg", () => {})'
