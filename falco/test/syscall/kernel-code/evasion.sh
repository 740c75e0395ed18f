# A BPF program, refused.
perl /srv/test/syscall.pl load-bpf
